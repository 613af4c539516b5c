"""Whoever is signed in to the operator's page, over HTTP."""

import http.client
import re
from urllib.parse import urlencode

from meterline.v1.access_pb2 import CreateApiKeyRequest, CreateTenantRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub

COOKIE = "meterline_operator"
_FORM = {"content-type": "application/x-www-form-urlencoded"}


class Operator:
    """Of an engine that serves HTTP; `session`: the cookie's text."""

    def __init__(self, port):
        self._port = port
        self.session = ""

    def get(self, path, **headers):
        status, found, body = self.asked("GET", path, None, headers)
        return status, found, body.decode()

    def post(self, path, fields, **headers):
        return self.asked("POST", path, urlencode(fields), _FORM | headers)

    def asked(self, method, path, body, headers):
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        if self.session:
            sent["cookie"] = f"{COOKIE}={self.session}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def sign_in(self, key, place="/operator", **headers):
        """The answer; the session is kept."""
        answer = self.post("/operator/sign-in", {"key": key, "place": place}, **headers)
        found = re.match(rf"{COOKIE}=([^;]*)", answer[1].get("set-cookie", ""))
        self.session = found[1] if found else ""
        return answer


def new_key(channel, *scopes, customer_id=""):
    """A key of the channel's tenant: its id and its text."""
    request = CreateApiKeyRequest(
        name="people", scopes=[f"SCOPE_{each}" for each in scopes], customer_id=customer_id
    )
    made = AccessServiceStub(channel).CreateApiKey(request, timeout=120)
    return made.api_key.key_id, made.key_text


def new_tenant(channel, tenant):
    """The text of its first key."""
    return TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=tenant), timeout=120).key_text
