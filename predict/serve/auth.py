"""Who may ask: nobody needs a key on this machine; elsewhere a key, or a token of the house's identity provider."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from theracast.errors import SetupError, UsageError
from theracast.predict.serve.refusals import ServiceError

#: What a token may be signed with: never with nothing, never with a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class Gatekeeper(Protocol):
    """Tells who asks.

    Attributes
    ----------
    waits : bool
        Whether it may have to ask somebody else, and is asked in a thread.

    Examples
    --------
    >>> Open().caller({})
    'anyone'
    """

    waits: bool

    def caller(self, headers: Mapping[str, str]) -> str:
        """Name the caller, so that nobody is given another's stored answer.

        Parameters
        ----------
        headers : mapping of str to str
            Of the request, lower case.

        Returns
        -------
        str
            A digest or a name.

        Raises
        ------
        ServiceError
            401 without a valid credential.

        Examples
        --------
        >>> callable(Gatekeeper.caller)
        True
        """
        ...


class Open:
    """Lets everyone in: for a loopback address, or behind a gate of another make.

    Examples
    --------
    >>> Open().caller({})
    'anyone'
    """

    waits = False

    def caller(self, headers: Mapping[str, str]) -> str:
        """Name nobody.

        Parameters
        ----------
        headers : mapping of str to str
            Not looked at.

        Returns
        -------
        str
            ``"anyone"``.

        Examples
        --------
        >>> Open().caller({})
        'anyone'
        """
        return "anyone"


@dataclass(frozen=True)
class Keys:
    """Lets in who has one of the keys: as ``Authorization: Bearer``, ``X-API-Key``, or the password a browser asks for.

    Attributes
    ----------
    digests : tuple of str
        SHA-256 of each key, hexadecimal: the keys themselves are nowhere kept.

    Examples
    --------
    >>> Keys.of(["a-long-secret-key"]).caller({"x-api-key": "a-long-secret-key"})[:8]
    'dbefafb6'
    """

    waits = False
    digests: tuple[str, ...]

    @classmethod
    def of(cls, lines: Sequence[str]) -> Keys:
        """Take keys, or their digests.

        Parameters
        ----------
        lines : sequence of str
            Each a key of 16 characters or more, or ``sha256:<64 hexadecimal digits>``; empty lines and lines that
            begin with # are left out.

        Returns
        -------
        Keys
            Hashed.

        Raises
        ------
        UsageError
            No key, or one that is too short to be a secret.

        Examples
        --------
        >>> len(Keys.of(["# nurse station", "a-long-secret-key"]).digests)
        1
        """
        texts = [t for t in (line.strip() for line in lines) if t and not t.startswith("#")]
        if not texts or any(len(t) < 16 for t in texts):
            raise UsageError(
                "no API key, or one that is too short",
                got=f"{len(texts)} keys",
                wanted="16 characters or more each, one a line",
                fix="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        hashed = [re.fullmatch(r"sha256:([0-9a-fA-F]{64})", t) for t in texts]
        return cls(tuple(h[1].lower() if h else _digest(t) for h, t in zip(hashed, texts, strict=True)))

    def caller(self, headers: Mapping[str, str]) -> str:
        """Hold the key against all that are known, in a time that tells nothing.

        Parameters
        ----------
        headers : mapping of str to str
            Of the request, lower case.

        Returns
        -------
        str
            Digest of the key.

        Raises
        ------
        ServiceError
            401.

        Examples
        --------
        >>> Keys.of(["a-long-secret-key"]).caller({"x-api-key": "guess"})
        Traceback (most recent call last):
        ...
        theracast.predict.serve.refusals.ServiceError: THX-A10: a key is needed | ...
        """
        mine = _digest(_given(headers))
        known = [hmac.compare_digest(mine, d) for d in self.digests]
        if not any(known):
            raise _unknown("a key is needed", "Send it as Authorization: Bearer KEY, or as X-API-Key.", "Basic")
        return mine


class Tokens:
    """Lets in who has a token of an OpenID Connect provider.

    Parameters
    ----------
    issuer, audience : str
        What the token must say.
    jwks : str
        Address or file of the provider's public keys.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "jwks.json"
    >>> _ = file.write_text('{"keys": []}')
    >>> Tokens("https://id.example", "theracast", str(file)).caller({})
    Traceback (most recent call last):
    ...
    theracast.predict.serve.refusals.ServiceError: THX-A10: a token is needed | ...
    """

    waits = True

    def __init__(self, issuer: str, audience: str, jwks: str) -> None:
        try:
            import jwt
        except ImportError:
            raise SetupError("PyJWT is not installed", fix="pip install 'theracast[serve]'") from None
        self._jwt, self._issuer, self._audience = jwt, issuer, audience
        remote = jwks.startswith(("https://", "http://"))
        if remote and not re.match(r"https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/]", jwks):
            raise UsageError("the keys of the provider must come by https", where="--oidc-jwks")
        self._client = jwt.PyJWKClient(jwks, cache_keys=True, timeout=5) if remote else None
        self._keys = {} if remote else _read_keys(Path(jwks), jwt)

    def caller(self, headers: Mapping[str, str]) -> str:
        """Check signature, issuer, audience and time.

        Parameters
        ----------
        headers : mapping of str to str
            Of the request, lower case.

        Returns
        -------
        str
            Digest of the subject.

        Raises
        ------
        ServiceError
            401; 503 when the provider cannot be asked for its keys.

        Examples
        --------
        >>> callable(Tokens.caller)
        True
        """
        jwt, text = self._jwt, headers.get("authorization", "")
        token = text[7:].strip() if text[:7].lower() == "bearer " else ""
        try:
            if self._client is not None and token:
                key: Any = self._client.get_signing_key_from_jwt(token)
            else:
                key = self._keys[str(jwt.get_unverified_header(token).get("kid", ""))]
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=30,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWKClientConnectionError:
            raise ServiceError(
                503,
                "the identity provider does not answer",
                code="THX-A10",
                fix="Ask again.",
                headers={"Retry-After": "5"},
            ) from None
        except (jwt.PyJWTError, KeyError, ValueError):
            raise _unknown("a token is needed", "Send a valid token as Authorization: Bearer.", "Bearer") from None
        return _digest(str(claims["sub"]))


def _read_keys(file: Path, jwt: Any) -> dict[str, Any]:
    try:
        held = json.loads(file.read_text("utf-8"))
        return {k.key_id or "": k for k in jwt.PyJWKSet.from_dict(held).keys} if held["keys"] else {}
    except (OSError, ValueError, KeyError, jwt.PyJWTError) as error:
        raise UsageError(
            "the keys of the provider cannot be read", where=str(file), got=type(error).__name__, wanted="a JWKS file"
        ) from None


def _given(headers: Mapping[str, str]) -> str:
    kind, _, rest = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return headers.get("x-api-key", "")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _unknown(what: str, fix: str, scheme: str) -> ServiceError:
    return ServiceError(
        401, what, code="THX-A10", fix=fix, headers={"WWW-Authenticate": f'{scheme} realm="theracast", charset="UTF-8"'}
    )
