"""A double of Azure for tests: one Key Vault, the login of one tenant, and the metadata service of a machine.

It keeps to what the official clients take (azure_clients.py proves that), and to what Key Vault's reference says. It
prints one line of JSON that says where everything is, and ends with its standard input. The vault and the login speak
TLS by a CA of their own, under names that only whoever tests resolves (to 127.0.0.1). Commands make it misbehave, and
are answered with what it was asked so far: a line of JSON each on the standard input, or POST /control without TLS.
"""

import datetime
import http.server
import ipaddress
import json
import os
import re
import secrets
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VAULT_HOST = "team.vault.azure.test"
RESOURCE_HOST = "vault.azure.test"
LOGIN_HOST = "login.azure.test"
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
CLIENT_SECRET = "a+client/secret=that&must%not be~told"
API_VERSIONS = {"7.4", "7.5", "7.6", "2025-07-01"}
NAME = re.compile(r"[0-9a-zA-Z-]{1,127}\Z")
MAXIMUM_VALUE = 25 * 1024


class Refusal(Exception):
    def __init__(self, status, code, message, inner=None, headers=()):
        super().__init__(code)
        error = {"code": code, "message": message}
        if inner:
            error["innererror"] = {"code": inner}
        self.status, self.body, self.headers = status, {"error": error}, dict(headers)


class Azure:
    """What all of its addresses share."""

    def __init__(self):
        self.lock = threading.RLock()
        self.port = self.plain_port = 0
        self.reset()

    def reset(self):
        self.versions = {}  # by the name in lower case: a list of bundles, the newest last
        self.deleted = {}
        self.tokens = {}  # text: the moment it ends
        self.log = []
        self.assertions = []
        self.permissions = {"get", "set", "delete", "list", "update", "recover", "purge"}
        self.identities = [CLIENT]
        self.lifetime = 3600
        self.challenge = None  # in the place of the right one
        self.fail = []  # [status, headers, body]: for the next requests that have a token
        self.login_fail = []
        self.is_closed = False

    @property
    def resource(self):
        return f"https://{RESOURCE_HOST}:{self.port}"

    def token(self):
        text = f"token-{secrets.token_urlsafe(24)}"
        self.tokens[text] = time.time() + self.lifetime
        return text

    def controlled(self, commands):
        """Does what a test says; answers what happened so far."""
        for name, content in commands.items():
            match name:
                case "reset": self.reset()
                case "revoke": self.tokens.clear()
                case "forget": self.log.clear()
                case "permissions": self.permissions = set(content)
                case "put": self.put(content["name"], content)
                case "patch": self.find(content["name"])["attributes"].update(content["attributes"])
                case "delete": self.delete(content)
                case _ if hasattr(self, name): setattr(self, name, content)
                case _: raise ValueError(name)
        return {"log": self.log, "tokens": len(self.tokens)}

    # The login

    def log_in(self, form):
        if self.login_fail:
            return self.login_fail.pop(0)
        scope = form.get("scope", "").split()
        if form.get("grant_type") != "client_credentials":
            return [400, {}, oauth("unsupported_grant_type", 70003)]
        # The official client adds scopes that are reserved only where users log in; here is one.
        if scope != [self.resource + "/.default"]:
            return [400, {}, oauth("invalid_resource", 500011)]
        if form.get("client_id") != CLIENT:
            return [400, {}, oauth("unauthorized_client", 700016)]
        if "client_assertion" in form:
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            if form.get("client_assertion_type") != kind:
                return [400, {}, oauth("invalid_request", 90014)]
            if form["client_assertion"] not in self.assertions:
                return [401, {}, oauth("invalid_client", 700024)]
        elif form.get("client_secret") != CLIENT_SECRET:
            return [401, {}, oauth("invalid_client", 7000215)]
        answer = {"token_type": "Bearer", "expires_in": self.lifetime, "ext_expires_in": self.lifetime}
        return [200, {}, answer | {"access_token": self.token()}]

    def discovery(self):
        base = f"https://{LOGIN_HOST}:{self.port}/{TENANT}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }

    # The metadata service of a machine

    def metadata(self, headers, query):
        if headers.get("Metadata") != "true" or "X-Forwarded-For" in headers:
            return [400, {}, {"error": "invalid_request", "error_description": "Required metadata header not specified"}]
        if self.login_fail:
            return self.login_fail.pop(0)
        if query.get("api-version") != "2018-02-01" or query.get("resource") != self.resource:
            return [400, {}, {"error": "invalid_resource", "error_description": "AADSTS500011"}]
        if not self.identities or query.get("client_id", self.identities[0]) not in self.identities:
            return [400, {}, {"error": "invalid_request", "error_description": "Identity not found"}]
        now = int(time.time())
        # All numbers are strings here.
        return [200, {}, {
            "access_token": self.token(), "client_id": self.identities[0], "expires_in": str(self.lifetime),
            "expires_on": str(now + self.lifetime), "ext_expires_in": str(self.lifetime), "not_before": str(now),
            "resource": self.resource, "token_type": "Bearer",
        }]

    # The vault

    def authenticate(self, headers):
        text = headers.get("Authorization", "")
        kind, _, token = text.partition(" ")
        if kind == "Bearer" and self.tokens.get(token, 0) > time.time():
            return
        challenge = self.challenge
        if challenge is None:
            challenge = f'Bearer authorization="https://{LOGIN_HOST}:{self.port}/{TENANT}", resource="{self.resource}"'
        if text:
            challenge += ', error="invalid_token", error_description="AKV10022: Invalid audience or token"'
        raise Refusal(
            401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.",
            headers={"WWW-Authenticate": challenge})

    def allow(self, permission):
        if permission not in self.permissions:
            raise Refusal(
                403, "Forbidden", "Caller is not authorized to perform action on resource.", "ForbiddenByRbac")

    def answer(self, method, path, query, body):
        """What the vault answers to whoever has a token."""
        if query.get("api-version") not in API_VERSIONS:
            raise Refusal(400, "BadParameter", "The specified version is not recognized.")
        if self.is_closed:
            raise Refusal(403, "Forbidden", "Client address is not authorized.", "ForbiddenByFirewall")
        parts = path.strip("/").split("/")
        for part in parts[1:2]:
            if not NAME.match(part):
                raise Refusal(400, "BadParameter", "The request URI contains an invalid name: " + part)
        match [method, *parts]:
            case ["GET", "secrets"]:
                self.allow("list")
                return self.page(path, query, [found[-1] for _, found in sorted(self.versions.items())], newest=True)
            case ["GET", "secrets", name, "versions"]:
                self.allow("list")
                found = sorted(self.versions.get(name.lower(), []), key=lambda bundle: bundle["id"])
                return self.page(path, query, found)
            case ["GET", "secrets", name, *version]:
                self.allow("get")
                return self.read(self.find(name, *version))
            case ["PUT", "secrets", name]:
                self.allow("set")
                return self.put(name, body)
            case ["PATCH", "secrets", name, *version]:
                self.allow("update")
                bundle = self.find(name, *version)
                bundle["attributes"].update(body.get("attributes", {}))
                return shown(bundle)
            case ["DELETE", "secrets", name]:
                self.allow("delete")
                return self.delete(name)
            case ["GET" | "DELETE" | "POST", "deletedsecrets", name, *_]:
                return self.deleted_secret(method, name, parts[2:])
        raise Refusal(404, "NotFound", "There is no such address.")

    def find(self, name, version=""):
        found = self.versions.get(name.lower(), [])
        if version:
            found = [bundle for bundle in found if bundle["id"].endswith("/" + version)]
        if not found:
            asked = f"{name}/{version}" if version else name
            raise Refusal(
                404, "SecretNotFound", f"A secret with (name/id) {asked} was not found in this key vault.")
        return found[-1]

    def read(self, bundle):
        # The service does not look at nbf and exp of a secret.
        if not bundle["attributes"]["enabled"]:
            raise Refusal(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return bundle

    def put(self, name, body):
        value = body.get("value")
        if not isinstance(value, str):
            raise Refusal(400, "BadParameter", "Property value has an invalid value")
        if len(value.encode()) > MAXIMUM_VALUE:
            raise Refusal(400, "BadParameter", "The value of the secret is too long.")
        if name.lower() in self.deleted:
            raise Refusal(
                409, "Conflict", f"Secret {name} is currently in a deleted but recoverable state.",
                "ObjectIsDeletedButRecoverable")
        now = int(time.time())
        attributes = {"enabled": True} | {k: v for k, v in body.get("attributes", {}).items() if v is not None}
        attributes |= {"created": now, "updated": now, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
        found = self.versions.setdefault(name.lower(), [])
        spelled = found[0]["id"].split("/")[-2] if found else name
        bundle = {
            "value": value, "id": f"https://{VAULT_HOST}:{self.port}/secrets/{spelled}/{secrets.token_hex(16)}",
            "attributes": attributes}
        for optional in ("contentType", "tags"):
            if body.get(optional) is not None:
                bundle[optional] = body[optional]
        found.append(bundle)
        return bundle

    def delete(self, name):
        bundle = shown(self.find(name))
        now = int(time.time())
        bundle |= {
            "recoveryId": f"https://{VAULT_HOST}:{self.port}/deletedsecrets/{name}", "deletedDate": now,
            "scheduledPurgeDate": now + 90 * 86_400}
        self.deleted[name.lower()] = (bundle, self.versions.pop(name.lower()))
        return bundle

    def deleted_secret(self, method, name, more):
        if name.lower() not in self.deleted:
            raise Refusal(404, "SecretNotFound", f"Deleted secret not found: {name}")
        if method == "GET":
            return self.deleted[name.lower()][0]
        bundle, versions = self.deleted.pop(name.lower())
        if method == "DELETE":
            return None
        self.versions[name.lower()] = versions
        return shown(versions[-1])

    def page(self, path, query, bundles, newest=False):
        count = int(query.get("maxresults", 25))
        start = int(query.get("$skiptoken", 0))
        items = [shown(bundle) for bundle in bundles[start:start + count]]
        if newest:
            for item in items:
                item["id"] = item["id"].rpartition("/")[0]
        answer = {"value": items, "nextLink": None}
        if start + count < len(bundles):
            more = urllib.parse.urlencode(
                {"api-version": query["api-version"], "$skiptoken": start + count, "maxresults": count})
            answer["nextLink"] = f"https://{VAULT_HOST}:{self.port}{path}?{more}"
        return answer


def shown(bundle):
    return {name: content for name, content in bundle.items() if name != "value"}


def oauth(error, number):
    return {
        "error": error, "error_description": f"AADSTS{number}: refused.", "error_codes": [number],
        "trace_id": "0", "correlation_id": "0", "timestamp": "2026-01-01 00:00:00Z"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_):
        pass

    def respond(self):
        azure = self.server.azure
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        place = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(place.query, keep_blank_values=True))
        with azure.lock:
            status, headers, answer = self.routed(azure, place.path, query, body)
        content = answer.encode() if isinstance(answer, str) else b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        for name, text in headers.items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = respond

    def routed(self, azure, path, query, body):
        host = (self.headers.get("Host") or "").partition(":")[0]
        if path == "/control" and not self.server.is_tls:
            return [200, {}, azure.controlled(json.loads(body) if body else {})]
        azure.log.append({
            "host": host, "method": self.command, "path": path, "query": query,
            "token": self.headers.get("Authorization", "").removeprefix("Bearer "),
            "type": self.headers.get("Content-Type", ""), "bytes": len(body)})
        if path.startswith("/metadata/") and not self.server.is_tls:
            return azure.metadata(self.headers, query)
        if not self.server.is_tls:
            return [404, {}, ""]
        if host == LOGIN_HOST and path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            return [200, {}, azure.discovery()]
        if host == LOGIN_HOST and path == f"/{TENANT}/oauth2/v2.0/token" and self.command == "POST":
            if self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
                return [400, {}, oauth("invalid_request", 900144)]
            form = urllib.parse.parse_qsl(body.decode(), strict_parsing=True)
            return azure.log_in(dict(form))
        if host != VAULT_HOST:
            return [404, {}, ""]
        return self.vault(azure, path, query, body)

    def vault(self, azure, path, query, body):
        try:
            azure.authenticate(self.headers)
            if azure.fail:
                return azure.fail.pop(0)
            if body and not self.headers.get("Content-Type", "").startswith("application/json"):
                raise Refusal(415, "UnsupportedMediaType", "JSON is expected.")
            answer = azure.answer(self.command, path, query, json.loads(body) if body else {})
        except Refusal as refusal:
            return [refusal.status, refusal.headers, refusal.body]
        return [204 if answer is None else 200, {}, answer]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, azure, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.azure, self.is_tls, self.context = azure, context is not None, context

    def finish_request(self, request, client_address):
        # In the thread of the connection: one that says nothing does not hold up the others.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)


def certificates(folder):
    """A CA, and a certificate of it for the vault and the login."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def signed(subject, key, issuer, signer, extensions):
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2)))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    def usage(**allowed):
        names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                 "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
        return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_identity = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = signed(name("CA of a test"), root_key, name("CA of a test"), root_key, [
        (x509.BasicConstraints(ca=True, path_length=None), True), (root_identity, False),
        (usage(key_cert_sign=True, crl_sign=True), True)])
    hosts = [x509.DNSName(host) for host in (VAULT_HOST, LOGIN_HOST)] + [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = signed(name(VAULT_HOST), key, name("CA of a test"), root_key, [
        (x509.BasicConstraints(ca=False, path_length=None), True), (x509.SubjectAlternativeName(hosts), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_identity), False),
        (usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False)])
    paths = {part: os.path.join(folder, part + ".pem") for part in ("ca", "chain", "key")}
    for part, content in {
        "ca": root.public_bytes(serialization.Encoding.PEM),
        "chain": leaf.public_bytes(serialization.Encoding.PEM),
        "key": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    }.items():
        with open(paths[part], "wb") as file:
            file.write(content)
    return paths


def main():
    azure = Azure()
    with tempfile.TemporaryDirectory() as folder:
        paths = certificates(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths["chain"], paths["key"])
        tls, plain = Server(azure, context), Server(azure)
        azure.port, azure.plain_port = tls.server_address[1], plain.server_address[1]
        for server in (tls, plain):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps({
            "vault": f"https://{VAULT_HOST}:{azure.port}", "login": f"https://{LOGIN_HOST}:{azure.port}",
            "plain": f"http://127.0.0.1:{azure.plain_port}", "ca": paths["ca"], "tenant": TENANT, "client": CLIENT,
            "secret": CLIENT_SECRET}), flush=True)
        for line in sys.stdin:
            with azure.lock:
                print(json.dumps(azure.controlled(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
