"""Who may ask the service: keys, tokens, and everyone on this machine."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from service import Client, refused, response_predictor

from theracast.errors import UsageError
from theracast.predict.serve.auth import Keys, Tokens
from theracast.predict.serve.run import gatekeeper_for

KEY, OTHER = "a-long-secret-key-1", "a-long-secret-key-2"
ISSUER, AUDIENCE = "https://id.hospital.example", "theracast"
BODY = {"patients": [{"patient_id": "p1", "clinical": {"age": 61}}]}


@pytest.fixture(scope="module")
def predictor():
    return response_predictor()


@pytest.fixture(scope="module")
def guarded(predictor):
    return Client(predictor, options={"gatekeeper": Keys.of([KEY, "sha256:" + Keys.of([OTHER]).digests[0]])})


@pytest.fixture(scope="module")
def provider():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def jwks(provider, tmp_path_factory):
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(provider.public_key()))
    file = tmp_path_factory.mktemp("jwks") / "jwks.json"
    file.write_text(json.dumps({"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}))
    return file


def token(key, algorithm="RS256", kid="one", **changed):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "nurse", "exp": int(time.time()) + 300, **changed}
    claims = {k: v for k, v in claims.items() if v is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def basic(password):
    return {"authorization": "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()}


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_a_key_opens_in_each_of_three_ways(guarded, key):
    for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}, basic(key)):
        assert guarded.post("/predict", BODY, headers=headers).status_code == 200
        assert guarded.ask("GET", "/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": KEY[:-1]},
        {"x-api-key": "ä" * 20},
        {"x-api-key": Keys.of([KEY]).digests[0]},
        {"authorization": f"Basic {KEY}"},
        {"authorization": "Basic !!!"},
        {"authorization": "Digest x"},
        basic("wrong"),
    ],
)
def test_without_a_key_nothing_is_told(guarded, headers):
    for method, path in (("POST", "/predict"), ("POST", "/report"), ("GET", "/"), ("GET", "/metrics"), ("GET", "/x")):
        headers = {k: v.encode("latin-1") if isinstance(v, str) else v for k, v in headers.items()}
        answer = guarded.ask(method, path, headers=headers, **({"json": BODY} if method == "POST" else {}))
        refused(answer, 401, "THX-A10")
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert guarded.ask("GET", "/health").status_code == guarded.ask("GET", "/ready").status_code == 200
    assert KEY not in guarded.log.getvalue()


def test_keys_are_nowhere_kept(guarded):
    assert KEY not in repr(Keys.of([KEY]))
    with pytest.raises(UsageError):
        Keys.of([])


def test_a_stored_answer_is_the_callers_own(guarded):
    asked = {"idempotency-key": "k"}
    first = guarded.post("/predict", BODY, headers={**asked, "x-api-key": KEY})
    again = guarded.post("/predict", BODY, headers={**asked, "x-api-key": KEY})
    assert again.content == first.content
    other = {"patients": [{"patient_id": "p2", "clinical": {"age": 40}}]}
    # another caller may use the same key for another body: it is not told of the first
    assert guarded.post("/predict", other, headers={**asked, "x-api-key": OTHER}).status_code == 200


def test_a_token_of_the_provider_opens(predictor, provider, jwks):
    client = Client(predictor, options={"gatekeeper": Tokens(ISSUER, AUDIENCE, str(jwks))})
    headers = {"authorization": f"Bearer {token(provider)}"}
    assert client.post("/predict", BODY, headers=headers).status_code == 200


def test_other_tokens_do_not(predictor, provider, jwks):
    client = Client(predictor, options={"gatekeeper": Tokens(ISSUER, AUDIENCE, str(jwks))})
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrong = [
        "",
        "x.y.z",
        token(stranger),
        token(provider, kid="two"),
        token(provider, aud="other"),
        token(provider, iss="https://evil.example"),
        token(provider, exp=int(time.time()) - 3600),
        token(provider, exp=None),
        token(provider, sub=None),
        token(provider, nbf=int(time.time()) + 3600),
        token("", algorithm="none"),
        token("s" * 64, algorithm="HS256"),
    ]
    for text in wrong:
        refused(client.post("/predict", BODY, headers={"authorization": f"Bearer {text}"}), 401, "THX-A10")
    refused(client.post("/predict", BODY), 401, "THX-A10")


def test_a_provider_is_told_whole_and_by_https(jwks, tmp_path, monkeypatch):
    monkeypatch.delenv("THERACAST_API_KEYS", raising=False)
    whole = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(jwks)}
    assert isinstance(gatekeeper_for("0.0.0.0", **whole), Tokens)
    for name in whole:
        with pytest.raises(UsageError, match="issuer, audience and JWKS"):
            gatekeeper_for("0.0.0.0", **{**whole, name: ""})
    with pytest.raises(UsageError, match="https"):
        Tokens(ISSUER, AUDIENCE, "http://id.hospital.example/jwks")
    (tmp_path / "bad.json").write_text("{}")
    for file in ("bad.json", "none.json"):
        with pytest.raises(UsageError, match="cannot be read"):
            Tokens(ISSUER, AUDIENCE, str(tmp_path / file))


def test_a_provider_that_is_away_is_told(predictor, provider):
    client = Client(predictor, options={"gatekeeper": Tokens(ISSUER, AUDIENCE, "http://127.0.0.1:9/jwks")})
    answer = client.post("/predict", BODY, headers={"authorization": f"Bearer {token(provider)}"})
    refused(answer, 503, "THX-A10")
