"""Secrets whose values are at an OpenBao: algorithms see no difference."""

import json
import os
import subprocess
import time

import pytest
from conftest import PLANTED
from providers_support import Counting, Moto, bao, raft, silent  # noqa: F401 (fixtures)
from test_hygiene_memory import places
from support import ALGORITHM, empty, entries, environ, generation, store, wait_for_generation, wait_until  # noqa: F401 (fixtures)

FROM = "secret/data/nlp/db#password"


def connect(store, bao, *options, name="vault", token=None):
    token = token or bao.token()
    store.does("provider", "create", name, "--kind", "vault", "--set", f"vault_addr={bao.address}", "--secret", "vault_token", "--interval", "5s", *options, input=token.encode())
    return token


def refer(store, name="DB_PASSWORD", reference=FROM, *options, provider="vault"):
    store.does("secret", "create", ALGORITHM, name, "--provider", provider, "--from", reference, *options)


def troubles(store):
    return {one["reference"]: one for one in store.json("status")["agent"]["external"]}


def wait_for_trouble(store, holds):
    """Of status, which nothing wakes."""
    deadline = time.monotonic() + 30
    while not holds(troubles(store)):
        assert time.monotonic() < deadline, store.json("status")
        time.sleep(0.2)


def opens(path) -> bytes | None:
    """None if it gives EIO."""
    try:
        return path.read_bytes()
    except OSError as error:
        assert error.errno == 5, error
        return None


@pytest.fixture
def mounted(store, bao):
    """One secret of OpenBao and one of the store, mounted, and the first is there."""
    bao.put("nlp/db", password=PLANTED.decode(), user="app")
    connect(store, bao)
    refer(store)
    store.create("OWN", b"own")
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == PLANTED)
    return mount


def test_it_is_a_file_and_a_variable_like_any_other(store, mounted):
    assert entries(mounted) == ["DB_PASSWORD", "OWN"]
    assert environ(mounted) == {"DB_PASSWORD": PLANTED, "OWN": b"own"}
    assert (mounted / "DB_PASSWORD").stat().st_size == len(PLANTED)
    assert os.getxattr(mounted / "DB_PASSWORD", "user.secretfs.provider") == b"vault"
    command = ["sh", "-c", 'test "$DB_PASSWORD" = "$0"', PLANTED.decode()]
    assert subprocess.run([store.shim, mounted, "--", *command], timeout=60).returncode == 0
    assert troubles(store) == {}


def test_a_change_there_shows_with_its_next_generation(store, bao, mounted):
    before = generation(mounted)
    reader = os.open(mounted / "DB_PASSWORD", os.O_RDONLY)
    bao.put("nlp/db", password="another", user="app")
    wait_for_generation(mounted, before)
    assert (mounted / "DB_PASSWORD").read_bytes() == b"another"
    assert environ(mounted)["DB_PASSWORD"] == b"another"
    assert os.pread(reader, 4096, 0) == PLANTED, "what is open stays as it was"
    os.close(reader)


def test_a_change_of_another_field_is_no_change_of_the_value_that_anybody_sees(store, bao, mounted):
    bao.put("nlp/db", password=PLANTED.decode(), user="other")
    time.sleep(7)
    assert (mounted / "DB_PASSWORD").read_bytes() == PLANTED


def test_while_the_provider_is_down_the_last_value_is_opened_and_status_says_so(store, bao, mounted):
    bao.stop()
    wait_for_trouble(store, lambda all: all)
    trouble = troubles(store)[FROM]
    assert trouble["hasValue"] and "down" in trouble["reason"] and trouble["algorithms"] == [ALGORITHM]
    assert "not confirmed; the last value is opened" in store.does("status").output
    assert environ(mounted) == {"DB_PASSWORD": PLANTED, "OWN": b"own"}
    bao.start()
    bao.put("nlp/db", password="after")
    store.does("provider", "update", "vault", "--secret", "vault_token", input=bao.token().encode())
    wait_until(mounted, lambda: (mounted / "DB_PASSWORD").read_bytes() == b"after")
    assert troubles(store) == {}


def test_a_node_that_starts_while_the_provider_is_down_opens_nothing_of_it_and_says_why(store, bao):
    connect(store, bao)
    bao.stop()
    refer(store)
    store.create("OWN", b"own")
    mount = store.mount()
    wait_for_trouble(store, lambda all: all.get(FROM, {}).get("reason"))
    assert entries(mount) == ["DB_PASSWORD", "OWN"]
    assert opens(mount / "DB_PASSWORD") is None and opens(mount / ".environ") is None
    assert (mount / "OWN").read_bytes() == b"own", "the others do open"
    assert "opens nothing" in store.does("status").output
    for options in ([], ["--require", "DB_PASSWORD"]):
        shim = subprocess.run([store.shim, *options, mount, "--", "true"], capture_output=True, timeout=60)
        assert shim.returncode != 0, "no program starts with half of its variables"


def test_what_is_denied_is_no_reason_to_forget_and_what_is_absent_goes_when_it_is_said_twice(store, bao):
    bao.put("nlp/db", password="first")
    token = connect(store, bao)
    refer(store)
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"first")
    bao.revoke(token)
    wait_for_trouble(store, lambda all: "denied" in (all.get(FROM, {}).get("reason") or ""))
    time.sleep(6)
    assert (mount / "DB_PASSWORD").read_bytes() == b"first"
    store.does("provider", "update", "vault", "--secret", "vault_token", input=bao.token().encode())
    wait_for_trouble(store, lambda all: not all)
    bao.delete("nlp/db")
    wait_for_trouble(store, lambda all: "absent" in (all.get(FROM, {}).get("reason") or ""))
    wait_until(mount, lambda: entries(mount) == [])
    assert environ(mount) == {}
    bao.put("nlp/db", password="again")
    wait_until(mount, lambda: entries(mount) == ["DB_PASSWORD"] and (mount / "DB_PASSWORD").read_bytes() == b"again")


def test_a_value_that_is_too_old_is_not_opened(store, bao):
    bao.put("nlp/db", password="first")
    connect(store, bao, "--maximum-age", "60s")
    refer(store)
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"first")
    bao.stop()
    begin = time.monotonic()
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") is None, 90)
    assert time.monotonic() - begin > 45
    assert opens(mount / ".environ") is None


def test_a_provider_that_never_answers_holds_up_nothing(store, bao, silent):
    bao.put("nlp/db", password="first")
    connect(store, bao)
    store.does("provider", "create", "hung", "--kind", "vault", "--set", f"vault_addr={silent.address}", "--secret", "vault_token", "--interval", "5s", input=b"token")
    for number in range(20):
        refer(store, f"HUNG{number}", f"secret/data/nlp/h{number}#x", "--delivery", "file", provider="hung")
    mount = store.mount()
    refer(store)
    store.create("OWN", b"own")
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"first")
    begin = time.monotonic()
    for _ in range(100):
        assert (mount / "DB_PASSWORD").read_bytes() == b"first" and (mount / "OWN").read_bytes() == b"own"
        assert opens(mount / "HUNG1") is None
    assert time.monotonic() - begin < 5
    bao.put("nlp/db", password="second")
    wait_until(mount, lambda: (mount / "DB_PASSWORD").read_bytes() == b"second", 15)


def test_a_pinned_version_stays(store, bao):
    bao.put("nlp/db", password="one")
    bao.put("nlp/db", password="two")
    connect(store, bao)
    refer(store, "PINNED", FROM, "--version", "1")
    refer(store, "NEWEST", FROM)
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "PINNED") == b"one" and opens(mount / "NEWEST") == b"two")


def test_what_cannot_be_a_variable_is_a_file_only(store, bao):
    bao.put("nlp/db", password="a\0b")
    connect(store, bao)
    refer(store, "VARIABLE")
    refer(store, "FILE", FROM, "--delivery", "file")
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "FILE") == b"a\0b")
    assert opens(mount / "VARIABLE") is None and opens(mount / ".environ") is None


def test_another_reference_and_another_provider_are_taken_at_once(store, bao, mounted):
    bao.put("nlp/other", password="other")
    store.does("secret", "refer", ALGORITHM, "DB_PASSWORD", "--provider", "vault", "--from", "secret/data/nlp/other#password")
    wait_until(mounted, lambda: opens(mounted / "DB_PASSWORD") == b"other")
    store.delete("DB_PASSWORD")
    wait_until(mounted, lambda: entries(mounted) == ["OWN"])


def test_a_sealed_agent_forgets_what_providers_gave(store, bao, mounted):
    store.does("seal")
    with pytest.raises(OSError) as caught:
        (mounted / "DB_PASSWORD").read_bytes()
    assert caught.value.errno == 126, caught.value
    store.does("unseal")
    wait_until(mounted, lambda: opens(mounted / "DB_PASSWORD") == PLANTED)


def test_the_program_that_asks_is_started_again(store, bao, mounted):
    agent = store.agent
    children = subprocess.run(["pgrep", "-P", str(agent)], capture_output=True, text=True).stdout.split()
    assert len(children) == 1
    os.kill(int(children[0]), 9)
    bao.put("nlp/db", password="later")
    wait_until(mounted, lambda: opens(mounted / "DB_PASSWORD") == b"later")


def test_mount_waits_for_the_values_or_is_not_there(store, bao):
    bao.put("nlp/db", password="first")
    connect(store, bao)
    refer(store)
    mount = store.mount("--wait", "30s")
    assert (mount / "DB_PASSWORD").read_bytes() == b"first"
    refer(store, "OTHER", "secret/data/other/denied#x")
    point = store.folder("second")
    errors = store.run("mount", ALGORITHM, point, "--wait", "2s").failed(75, "secret/data/other/denied#x", "denied", "provider test vault")
    assert "after 2 seconds" in errors
    assert str(point) not in store.mounts and os.listdir(point) == []


def test_run_starts_the_program_when_the_values_are_there_and_not_without_them(store, bao):
    bao.put("nlp/db", password=PLANTED.decode())
    connect(store, bao)
    refer(store)
    command = ("--", "sh", "-c", 'test "$DB_PASSWORD" = "$0" && echo it is', PLANTED.decode())
    assert store.does("run", ALGORITHM, *command).output == "it is\n"
    refer(store, "OTHER", "secret/data/other/denied#x")
    begin = time.monotonic()
    store.run("run", ALGORITHM, "--wait", "2s", *command).failed(75, "secret/data/other/denied#x", "denied")
    assert 2 <= time.monotonic() - begin < 8


def test_an_update_that_knows_another_version_writes_nothing(store, bao):
    connect(store, bao, "--default", token=bao.token(WRITER))
    store.create("TOKEN", b"first")
    store.update("TOKEN", b"second", "--if-version", "1")
    store.run("secret", "update", ALGORITHM, "TOKEN", "--if-version", "1", "--value-file", "-", input=b"third").failed(75, "version 2, not 1")
    assert bao.call("GET", f"secret/data/{ALGORITHM}/TOKEN")["data"]["data"] == {"value": "second"}


def test_nothing_of_a_value_or_a_credential_is_left_where_others_look(store, bao):
    """The agent's memory is looked through as in test_hygiene_memory; the log, the store and command lines here."""
    bao.put("nlp/db", password=PLANTED.decode())
    token = connect(store, bao)
    refer(store)
    log = store.root / "agent.log"
    with open(log, "wb") as errors:
        store.start("agent", stderr=errors)
        mount = store.folder()
        deadline = time.monotonic() + 30
        while store.run("mount", ALGORITHM, mount).status != 0:
            assert time.monotonic() < deadline
        wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == PLANTED)
        bao.stop()
        wait_for_trouble(store, lambda all: all)
    wanted = [PLANTED, token.encode()]
    for file in [log, *(path for path in store.state.rglob("*") if path.is_file())]:
        content = file.read_bytes()
        assert not any(text in content for text in wanted), file
    agent = store.agent
    children = subprocess.run(["pgrep", "-P", str(agent)], capture_output=True, text=True).stdout.split()
    assert children
    for pid in [agent, *children]:
        for name in ("cmdline", "environ"):
            content = open(f"/proc/{pid}/{name}", "rb").read()
            assert not any(text in content for text in wanted), (pid, name)
    assert open(f"/proc/{children[0]}/limits").read().split("Max core file size")[1].split()[0] == "0"


def test_a_vault_that_is_sealed_and_restarted_is_down_meanwhile_and_nothing_else_happens(store, raft):
    raft.put("nlp/db", password="first")
    connect(store, raft)
    refer(store)
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"first")
    raft.seal()
    wait_for_trouble(store, lambda all: "down" in (all.get(FROM, {}).get("reason") or ""))
    assert "sealed" in troubles(store)[FROM]["reason"] and opens(mount / "DB_PASSWORD") == b"first"
    raft.unseal()
    wait_for_trouble(store, lambda all: not all)
    raft.stop()
    wait_for_trouble(store, lambda all: all)
    raft.start()
    raft.unseal()
    raft.put("nlp/db", password="after")
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"after")
    assert troubles(store) == {}


def test_a_quota_that_is_used_up_is_throttled_and_the_value_stays(store, bao):
    bao.put("nlp/db", password="first")
    connect(store, bao)
    refer(store)
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"first")
    bao.call("POST", "sys/quotas/rate-limit/all", {"rate": 0.01, "interval": "1h", "path": "secret/"})
    wait_for_trouble(store, lambda all: "throttled" in (all.get(FROM, {}).get("reason") or ""))
    assert opens(mount / "DB_PASSWORD") == b"first"


def test_a_lease_that_ends_is_a_new_login(store, bao):
    """A token for ten seconds, by AppRole: it is got again and again, and no read fails."""
    bao.put("nlp/db", password="first")
    bao.call("POST", "sys/auth/approle", {"type": "approle"})
    bao.token()
    bao.call("POST", "auth/approle/role/reader", {"token_policies": "reader", "token_ttl": "6s", "token_max_ttl": "10s"})
    role = bao.call("GET", "auth/approle/role/reader/role-id")["data"]["role_id"]
    secret = bao.call("POST", "auth/approle/role/reader/secret-id", {})["data"]["secret_id"]
    store.does(
        "provider", "create", "vault", "--kind", "vault", "--set", f"vault_addr={bao.address}", "--set", "login=approle", "--set", f"role_id={role}",
        "--secret", "secret_id", "--interval", "5s", input=secret.encode())
    refer(store)
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"first")
    for number in range(4):
        time.sleep(6)
        assert troubles(store) == {}
    bao.put("nlp/db", password="second")
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"second")


# > a wrapped one is unwrapped at once, and what was in it is kept in its place — docs/PROVIDERS.md
def test_a_wrapped_secret_id_is_used_by_whoever_asks_later(store, bao):
    bao.put("nlp/db", password="first")
    bao.call("POST", "sys/auth/approle", {"type": "approle"})
    bao.token()
    bao.call("POST", "auth/approle/role/reader", {"token_policies": "reader"})
    role = bao.call("GET", "auth/approle/role/reader/role-id")["data"]["role_id"]
    wrap = lambda: bao.call("POST", "auth/approle/role/reader/secret-id", {}, wrap="60s")["wrap_info"]["token"]
    token = wrap()
    create = lambda name, token: store.run(
        "provider", "create", name, "--kind", "vault", "--set", f"vault_addr={bao.address}", "--set", "login=approle", "--set", f"role_id={role}",
        "--secret", "wrapped_secret_id", "--interval", "5s", input=token.encode())
    assert create("vault", token).status == 0
    assert store.json("provider", "show", "vault")["settings"] == ["login", "role_id", "secret_id", "vault_addr"]
    for _ in range(2):
        store.does("provider", "test", "vault", FROM)
    refer(store)
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"first")
    # Somebody unwrapped it before: nothing is made.
    create("other", token).failed(77, "unwrapped before")
    create("vault", wrap()).failed(73, "vault")
    assert [one["name"] for one in store.json("provider", "list")] == ["vault"]
    store.does("provider", "update", "vault", "--secret", "wrapped_secret_id", input=wrap().encode())
    store.does("provider", "test", "vault", FROM)


# > Each value is asked for once, however many mounts show it — docs/PROVIDERS.md
def test_many_secrets_cost_one_login_and_at_most_one_request_each_in_an_interval(store, bao):
    count = 200
    counting = Counting(bao)
    bao.put("nlp/many", **{f"F{number}": str(number) for number in range(count)})
    bao.call("POST", "sys/auth/approle", {"type": "approle"})
    bao.token()
    bao.call("POST", "auth/approle/role/reader", {"token_policies": "reader"})
    role = bao.call("GET", "auth/approle/role/reader/role-id")["data"]["role_id"]
    secret = bao.call("POST", "auth/approle/role/reader/secret-id", {})["data"]["secret_id"]
    store.does(
        "provider", "create", "vault", "--kind", "vault", "--set", f"vault_addr={counting.address}", "--set", "login=approle", "--set", f"role_id={role}",
        "--secret", "secret_id", "--interval", "10s", input=secret.encode())
    for number in range(count):
        refer(store, f"S{number}", f"secret/data/nlp/many#F{number}")
    for number in range(3):
        # When the command returns, all are there.
        mount = store.mount("--wait", "60s", name=f"mount{number}")
        assert [number for number in range(count) if opens(mount / f"S{number}") != str(number).encode()] == []
    time.sleep(20)
    logins = [path for path in counting.paths if path == "/v1/auth/approle/login"]
    reads = [path for path in counting.paths if path.startswith("/v1/secret/")]
    counting.close()
    assert len(logins) == 1
    # At the beginning, and twice at most in the twenty seconds since: an interval is nine seconds at the least.
    assert count <= len(reads) <= 4 * count, len(reads)


def test_a_secret_of_aws_is_read_and_written_by_the_same_commands(store, tmp_path):
    boto3 = pytest.importorskip("boto3")
    with Moto(tmp_path) as moto:
        client = boto3.client("secretsmanager", region_name="eu-central-1", endpoint_url=moto.address, aws_access_key_id="AKIA", aws_secret_access_key="x")
        client.create_secret(Name="nlp/db", SecretString=json.dumps({"password": PLANTED.decode()}))
        store.does(
            "provider", "create", "aws", "--kind", "aws-secrets-manager", "--set", "region=eu-central-1", "--set", f"endpoint={moto.address}",
            "--set", "access_key_id=AKIA", "--secret", "secret_access_key", "--interval", "5s", input=b"secret-key")
        refer(store, "DB_PASSWORD", "nlp/db#password", provider="aws")
        mount = store.mount("--wait", "30s")
        assert (mount / "DB_PASSWORD").read_bytes() == PLANTED
        client.put_secret_value(SecretId="nlp/db", SecretString=json.dumps({"password": "second"}))
        wait_until(mount, lambda: opens(mount / "DB_PASSWORD") == b"second")
        store.create("TOKEN", b"written", "--provider", "aws")
        wait_until(mount, lambda: opens(mount / "TOKEN") == b"written")
        assert client.get_secret_value(SecretId=f"{ALGORITHM}/TOKEN")["SecretString"] == "written"


# Writing


WRITER = 'path "secret/*" { capabilities = ["create", "read", "update", "delete"] }'


def test_a_value_that_is_written_there_is_changed_and_deleted_there(store, bao):
    connect(store, bao, "--default", token=bao.token(WRITER))
    mount = store.mount()
    store.create("TOKEN", PLANTED)
    place = f"secret/data/{ALGORITHM}/TOKEN"
    assert bao.call("GET", place)["data"]["data"] == {"value": PLANTED.decode()}
    wait_until(mount, lambda: opens(mount / "TOKEN") == PLANTED)
    begin = time.monotonic()
    store.update("TOKEN", b"second")
    wait_until(mount, lambda: opens(mount / "TOKEN") == b"second")
    assert time.monotonic() - begin < 4, "it is asked for at once, not after the interval"
    assert bao.call("GET", place)["data"]["data"] == {"value": "second"}
    shown = store.json("secret", "show", ALGORITHM, "TOKEN")
    assert shown["provider"] == "vault" and shown["from"] == place + "#value"
    store.delete("TOKEN")
    wait_until(mount, lambda: entries(mount) == [])
    with pytest.raises(OSError):
        bao.call("GET", place)
    actions = [json.loads(line)["action"] for line in store.does("audit", "--json").output.splitlines()]
    assert actions.count("provider.write") == 3


def test_an_algorithm_goes_with_what_was_written_for_it(store, bao):
    connect(store, bao, token=bao.token(WRITER))
    for name in ("ONE", "TWO"):
        store.does("secret", "create", ALGORITHM, name, "--provider", "vault", "--value-file", "-", input=PLANTED)
    bao.put("nlp/db", password="theirs")
    refer(store)
    store.does("provider", "update", "vault", "--secret", "vault_token", input=bao.token().encode())
    store.run("algorithm", "delete", ALGORITHM, "--yes").failed(77, "denied")
    assert store.names() == ["DB_PASSWORD", "ONE", "TWO"]
    store.does("provider", "update", "vault", "--secret", "vault_token", input=bao.token(WRITER).encode())
    store.does("algorithm", "delete", ALGORITHM, "--yes")
    for name in ("ONE", "TWO"):
        with pytest.raises(OSError):
            bao.call("GET", f"secret/data/{ALGORITHM}/{name}")
    assert bao.call("GET", "secret/data/nlp/db")["data"]["data"] == {"password": "theirs"}
    store.run("algorithm", "show", ALGORITHM).failed(66)


def test_what_is_there_already_is_not_overwritten_and_a_refusal_changes_nothing(store, bao):
    bao.put(f"{ALGORITHM}/TAKEN", value="theirs")
    connect(store, bao, token=bao.token(WRITER))
    create = ("secret", "create", ALGORITHM, "TAKEN", "--provider", "vault", "--value-file", "-")
    store.run(*create, input=b"ours").failed(73, "conflict", "--from")
    assert store.names() == []
    assert bao.call("GET", f"secret/data/{ALGORITHM}/TAKEN")["data"]["data"] == {"value": "theirs"}
    store.does("provider", "update", "vault", "--secret", "vault_token", input=bao.token().encode())
    store.run("secret", "create", ALGORITHM, "NEW", "--provider", "vault", "--value-file", "-", input=b"x").failed(77, "denied")
    bao.stop()
    store.run("secret", "create", ALGORITHM, "NEW", "--provider", "vault", "--value-file", "-", input=b"x").failed(69, "down")
    assert store.names() == []


def test_one_writer_at_a_time_and_no_value_of_another_is_lost(store, bao):
    """By KV version 1, which has no conditions."""
    bao.call("DELETE", "sys/mounts/secret")
    bao.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "1"}})
    slow = Counting(bao, pause=0.5)
    connect(store, slow, "--set", "kv_version=1", token=bao.token(WRITER))
    start = lambda *command: store.start("secret", *command, "--value-file", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    place = f"secret/{ALGORITHM}/TOKEN"
    made = [start("create", ALGORITHM, "TOKEN", "--provider", "vault") for _ in range(2)]
    for number, process in enumerate(made):
        process.stdin.write(b"value-%d" % number)
        process.stdin.close()
    states = [process.wait(timeout=60) for process in made]
    assert sorted(states) == [0, 73], states
    assert bao.call("GET", place)["data"] == {"value": f"value-{states.index(0)}"}
    # A change that is on its way when the secret is deleted: one comes after the other.
    update = start("update", ALGORITHM, "TOKEN")
    update.stdin.write(b"late")
    update.stdin.close()
    time.sleep(0.2)
    store.delete("TOKEN")
    assert update.wait(timeout=60) in (0, 66)
    with pytest.raises(OSError):
        bao.call("GET", place)
    slow.close()


def test_a_write_whose_answer_is_lost_can_be_done_again(store, bao):
    slow = Counting(bao, pause=12)
    connect(store, slow, token=bao.token(WRITER))
    create = ("secret", "create", ALGORITHM, "TOKEN", "--provider", "vault", "--value-file", "-")
    store.run(*create, input=PLANTED).failed(69, "not known", "do the same again")
    assert store.names() == []
    slow.pause = 0
    store.run(*create, input=b"another").failed(73, "conflict")
    store.does(*create, input=PLANTED)
    assert bao.call("GET", f"secret/data/{ALGORITHM}/TOKEN")["data"]["data"] == {"value": PLANTED.decode()}
    slow.close()


def test_no_secret_is_the_providers_own_token(store, bao):
    bao.put("nlp/db", password="x")
    connect(store, bao, "--set", "kv_version=1")
    refer(store, reference="auth/token/lookup-self#id")
    mount = store.mount()
    wait_for_trouble(store, lambda all: "below auth" in all.get("auth/token/lookup-self#id", {}).get("reason", ""))
    assert opens(mount / "DB_PASSWORD") is None


def test_the_admin_mount_writes_there_too(store, bao):
    connect(store, bao, "--default", token=bao.token(WRITER))
    store.create("TOKEN", b"first")
    admin = store.folder("admin")
    store.does("mount", "--admin", admin)
    secret = admin / "algorithms" / ALGORITHM / "TOKEN"
    (secret / "value").write_bytes(b"second")
    assert bao.call("GET", f"secret/data/{ALGORITHM}/TOKEN")["data"]["data"] == {"value": "second"}
    bao.stop()
    with pytest.raises(OSError):
        (secret / "value").write_bytes(b"third")
    with pytest.raises(OSError):
        secret.rmdir()
    assert store.names() == ["TOKEN"]


def asking(store):
    return subprocess.run(["pgrep", "-P", str(store.agent)], capture_output=True, text=True).stdout.split()


def test_the_program_that_asks_ends_with_the_last_mount_that_needs_it(store, bao, mounted):
    store.does("algorithm", "create", "nlp/Other")
    other = store.mount(name="other", of="nlp/Other")
    assert len(asking(store)) == 1
    store.does("unmount", mounted)
    deadline = time.monotonic() + 10
    while asking(store):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    again = store.mount("--wait", "30s")
    assert (again / "DB_PASSWORD").read_bytes() == PLANTED and os.listdir(other) == [".environ", ".generation"]


def test_the_program_that_asks_ends_with_the_last_secret_that_needs_it(store, bao, mounted):
    assert len(asking(store)) == 1
    before = generation(mounted)
    store.does("secret", "delete", ALGORITHM, "DB_PASSWORD", "--yes")
    wait_for_generation(mounted, before)
    deadline = time.monotonic() + 10
    while asking(store):
        assert time.monotonic() < deadline
        time.sleep(0.1)


# Commands


def test_a_test_says_in_words_what_is_wrong(store, bao):
    bao.put("nlp/db", password=PLANTED.decode())
    token = connect(store, bao)
    assert f"read {FROM}: version 1, {len(PLANTED)} bytes" in store.does("provider", "test", "vault", FROM).output
    store.run("provider", "test", "vault", "secret/data/nlp/none#x").failed(66, "absent", "docs/PROVIDERS.md")
    store.run("provider", "test", "vault", "secret/data/other/db#x").failed(77, "denied")
    store.run("provider", "test", "vault", "secret/data/nlp/db#none").failed(66, "absent")
    bao.revoke(token)
    store.run("provider", "test", "vault", FROM).failed(77, "denied")
    bao.stop()
    store.run("provider", "test", "vault", FROM).failed(69, "down", "cannot be reached")


def test_settings_are_checked_and_credentials_never_shown(store, bao):
    def create(*options, input=b""):
        return store.run("provider", "create", "v", "--kind", "vault", *options, input=input)

    create().failed(65, "vault_addr is missing", "secret_id (a credential)")
    create("--set", "vault_token=" + PLANTED.decode()).failed(65, "--secret vault_token")
    create("--set", "nonsense=1").failed(65, "no such setting")
    create("--set", "vault_addr").failed(64, "needs a setting")
    create("--set", "vault_addr=https://x", "--interval", "1s").failed(65, "--interval")
    store.run("provider", "create", "v", "--kind", "other").failed(65, "vault, azure-key-vault")
    store.run("provider", "create", "V!", "--kind", "vault").failed(65, "provider name")
    assert store.json("provider", "list") == []
    connect(store, bao, "--default", "--description", "the vault", name="v", token=PLANTED.decode())
    shown = store.json("provider", "show", "v")
    assert shown["settings"] == ["vault_addr", "vault_token"] and shown["default"] and shown["interval"] == 5
    for command in (["show", "v"], ["list"], ["show", "v", "--json"]):
        store.does("provider", *command)
    store.run("provider", "create", "v", "--kind", "vault", "--set", "vault_addr=https://x").failed(73, "provider update")


def test_a_provider_in_use_is_not_deleted_and_its_secrets_take_no_value(store, bao):
    connect(store, bao, "--default")
    refer(store)
    store.run("provider", "delete", "vault", "--yes").failed(65, f"DB_PASSWORD of {ALGORITHM}")
    store.run("secret", "update", ALGORITHM, "DB_PASSWORD", "--value-file", "-", input=b"x").failed(65, "kept by the provider vault")
    store.run("secret", "create", ALGORITHM, "B", "--provider", "none", "--from", FROM).failed(66, "no provider none")
    store.run("secret", "create", ALGORITHM, "B", "--version", "1").failed(64, "--from is missing")
    store.does("secret", "create", ALGORITHM, "B", "--from", FROM)
    shown = store.json("secret", "show", ALGORITHM, "B")
    assert shown["provider"] == "vault" and shown["from"] == FROM
    for name in ("DB_PASSWORD", "B"):
        store.delete(name)
    store.does("provider", "delete", "vault", "--yes")
    store.run("provider", "show", "vault").failed(66, "no provider vault")
    actions = [json.loads(line)["action"] for line in store.does("audit", "--json").output.splitlines()]
    for action in ("provider.create", "provider.default", "provider.delete"):
        assert action in actions


# > What was given is kept sealed in memory — docs/PROVIDERS.md
def test_what_a_provider_gave_is_in_no_memory_but_sealed(store, bao):
    """In the agent's, and in that of the program that speaks to the provider, a moment after it was given."""
    value = "".join(f"{byte:02x}" for byte in os.urandom(2000))
    bao.put("nlp/db", password=value)
    connect(store, bao)
    refer(store)
    mount = store.mount("--wait", "30s")
    assert (mount / "DB_PASSWORD").read_bytes() == value.encode()
    agent = store.agent
    asking = int(subprocess.run(["pgrep", "-P", str(agent)], capture_output=True, text=True).stdout)
    with open(mount / "DB_PASSWORD", "rb", buffering=0) as file:
        assert file.read() == value.encode()
        assert places(agent, value.encode()), "the search finds nothing"
    for pid in (agent, asking):
        deadline = time.monotonic() + 20
        while found := places(pid, value.encode()):
            assert time.monotonic() < deadline, (pid == agent, [hex(place) for place in found])
            time.sleep(0.5)
