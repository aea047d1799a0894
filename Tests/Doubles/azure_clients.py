"""Runs the official clients (azure-keyvault-secrets, azure-identity) against the double of Azure, whose line of JSON is
on the standard input. What they do not take, the double has wrong. Prints the name of each step that is right.
"""

import datetime
import json
import os
import socket
import sys
import tempfile
import urllib.request

from azure.core.exceptions import (
    ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError)
from azure.identity import (
    ClientSecretCredential, CredentialUnavailableError, ManagedIdentityCredential, WorkloadIdentityCredential)
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared import http_challenge_cache

place = json.loads(sys.stdin.readline())
found = socket.getaddrinfo


def resolve(host, *arguments, **named):
    return found("127.0.0.1" if str(host).endswith(".azure.test") else host, *arguments, **named)


socket.getaddrinfo = resolve


def control(**commands):
    with urllib.request.urlopen(place["plain"] + "/control", json.dumps(commands).encode()) as answer:
        return json.load(answer)


def fails(kind, call, *words):
    try:
        call()
    except kind as error:
        assert type(error) is kind, repr(error)
        assert all(word in str(error) for word in words), str(error)
        return error
    raise AssertionError("it does not fail: " + " ".join(words))


def step(name):
    print(name, flush=True)


login = {"authority": place["login"], "disable_instance_discovery": True, "connection_verify": place["ca"]}
WITHOUT_RETRIES = {"retry_total": 0}


def client(credential, **options):
    return SecretClient(
        place["vault"], credential, api_version="7.5", connection_verify=place["ca"], **options)


secret = ClientSecretCredential(place["tenant"], place["client"], place["secret"], **login)
vault = client(secret)

first = vault.set_secret("db-password", "one")
assert first.value == "one" and first.properties.enabled and len(first.properties.version) == 32
step("client secret")
second = vault.set_secret("DB-Password", "two é\"\n", content_type="text/plain", tags={"a": "b"})
assert second.name.lower() == "db-password" and second.properties.version != first.properties.version
assert second.properties.tags == {"a": "b"} and second.properties.content_type == "text/plain"
step("set")
assert vault.get_secret("db-password").value == "two é\"\n"
assert vault.get_secret("dB-pAssword").properties.version == second.properties.version
step("get")
assert vault.get_secret("db-password", first.properties.version).value == "one"
fails(ResourceNotFoundError, lambda: vault.get_secret("db-password", "0" * 32), "SecretNotFound")
fails(ResourceNotFoundError, lambda: vault.get_secret("nothing"), "SecretNotFound")
step("get version")
for number in range(5):
    vault.set_secret("many", str(number))
versions = [one.version for one in vault.list_properties_of_secret_versions("many", max_page_size=2)]
assert len(versions) == len(set(versions)) == 5
assert sorted(one.name for one in vault.list_properties_of_secrets(max_page_size=1)) == ["db-password", "many"]
step("list versions")
vault.update_secret_properties("many", enabled=False)
fails(HttpResponseError, lambda: vault.get_secret("many"), "SecretDisabled")
vault.update_secret_properties("many", enabled=True)
past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
ended = vault.set_secret("ended", "x", expires_on=past, not_before=past)
assert ended.properties.expires_on == past and ended.properties.not_before == past
assert vault.get_secret("ended").properties.expires_on == past
step("disable")
deleted = vault.begin_delete_secret("many").result()
assert deleted.recovery_id and deleted.scheduled_purge_date > deleted.deleted_date
fails(ResourceNotFoundError, lambda: vault.get_secret("many"))
fails(ResourceExistsError, lambda: vault.set_secret("many", "x"), "ObjectIsDeletedButRecoverable")
vault.begin_recover_deleted_secret("many").wait()
assert vault.get_secret("many").value == "4"
vault.begin_delete_secret("many").wait()
vault.purge_deleted_secret("many")
assert vault.set_secret("many", "new").value == "new"
fails(ResourceNotFoundError, lambda: vault.begin_delete_secret("nothing"))
step("delete")
fails(HttpResponseError, lambda: vault.set_secret("long", "x" * 25_601), "BadParameter")
fails(HttpResponseError, lambda: vault.set_secret("under_score", "x"), "BadParameter")
step("limits")
wrong = ClientSecretCredential(place["tenant"], place["client"], "wrong", **login)
fails(ClientAuthenticationError, lambda: client(wrong).get_secret("many"), "AADSTS7000215")
step("wrong secret")
control(revoke=True)
# The credential keeps its token until it ends, and asks for no other.
fails(ClientAuthenticationError, lambda: vault.get_secret("many"), "Unauthorized")
secret = ClientSecretCredential(place["tenant"], place["client"], place["secret"], **login)
vault = client(secret)
assert vault.get_secret("many").value == "new"
step("revoked token")
control(permissions=["get"])
fails(HttpResponseError, lambda: vault.set_secret("many", "x"), "ForbiddenByRbac")
control(permissions=["get", "set", "list", "delete"])
step("permissions")
control(fail=[[429, {"Retry-After": "1"}, {"error": {"code": "Throttled", "message": "x"}}]])
assert vault.get_secret("many").value == "new"
error = {"error": {"code": "Throttled", "message": "x"}}
control(fail=[[429, {"Retry-After": "1"}, error]])
throttled = fails(HttpResponseError, lambda: client(secret, **WITHOUT_RETRIES).get_secret("many"), "Throttled")
assert throttled.status_code == 429
step("throttled")

with tempfile.TemporaryDirectory() as folder:
    file = os.path.join(folder, "token")
    with open(file, "w", encoding="utf-8") as out:
        out.write("e30.e30.first")
    control(assertions=["e30.e30.first"])
    workload = WorkloadIdentityCredential(
        tenant_id=place["tenant"], client_id=place["client"], token_file_path=file, **login)
    assert client(workload).get_secret("many").value == "new"
    control(assertions=[])
    late = WorkloadIdentityCredential(
        tenant_id=place["tenant"], client_id=place["client"], token_file_path=file, **login)
    fails(ClientAuthenticationError, lambda: client(late).get_secret("many"), "AADSTS700024")
    step("workload identity")

os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = place["plain"]
assert client(ManagedIdentityCredential()).get_secret("many").value == "new"
assert client(ManagedIdentityCredential(client_id=place["client"])).get_secret("many").value == "new"
stranger = ManagedIdentityCredential(client_id="00000000-0000-0000-0000-000000000000", **WITHOUT_RETRIES)
fails(CredentialUnavailableError, lambda: client(stranger).get_secret("many"))
step("managed identity")

control(challenge=f'Bearer authorization="{place["login"]}/{place["tenant"]}", resource="https://elsewhere.test"')
control(revoke=True)
http_challenge_cache.clear()
fails(ValueError, lambda: client(secret).get_secret("many"), "elsewhere.test")
assert control()["tokens"] == 0
step("wrong host in the challenge")
