"""The first floor: learns and judges. Feature matrices in, responses out."""
