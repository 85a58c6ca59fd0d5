"""A client of the interop tests: `client.py SCENARIO URL [--flag value …]`. Runs one scenario against a server,
and ends with 0 when all of it came true; else it says what did not. test/interop/clients.test.ts drives it."""

import argparse
import asyncio
import ssl
import sys

import nats
from nats.errors import NoRespondersError
from nats.micro import add_service
from nats.micro.service import EndpointConfig, ServiceConfig

import streams

DEADLINE_S = 5


def expect(is_so, *said):
    if not is_so:
        raise AssertionError(" ".join(str(word) for word in said))


async def settled(nc):
    """All that was published is delivered when this is: its own message comes behind it. `flush` does not say so,
    its PING overtakes what the client has not written yet."""
    inbox = nc.new_inbox()
    sub = await nc.subscribe(inbox)
    await nc.publish(inbox, b"")
    await sub.next_msg(DEADLINE_S)


async def publish_subscribe(nc):
    sub = await nc.subscribe("greet.joe")
    await nc.publish("greet.joe", b"hello")
    msg = await sub.next_msg(DEADLINE_S)
    expect(msg.data == b"hello", "got", msg.data)


async def wildcards(nc):
    star = await nc.subscribe("w.*.c")
    tail = await nc.subscribe("w.>")
    for subject in ["w.b.c", "w.b", "w.b.c.d", "x.b.c"]:
        await nc.publish(subject, b"")
    await settled(nc)
    counts = (star.pending_msgs, tail.pending_msgs)
    expect(counts == (1, 3), "got", counts)


async def queue_group(nc):
    count = 200
    members = [await nc.subscribe("jobs", queue="workers") for _ in range(2)]
    for _ in range(count):
        await nc.publish("jobs", b"")
    await settled(nc)
    got = [member.pending_msgs for member in members]
    expect(sum(got) == count and min(got) > 0, "members got", got)


async def request_reply(nc):
    async def double(msg):
        await msg.respond(msg.data * 2)

    await nc.subscribe("double", cb=double)
    for body in [b"a", b"bc", b""]:
        answer = await nc.request("double", body, timeout=DEADLINE_S)
        expect(answer.data == body * 2, "got", answer.data)


async def headers(nc):
    sub = await nc.subscribe("with.headers")
    sent = {"Plant": "7", "case-Kept": "yes"}
    await nc.publish("with.headers", b"body", headers=sent)
    msg = await sub.next_msg(DEADLINE_S)
    expect(msg.headers == sent and msg.data == b"body", "got", msg.headers, msg.data)


async def no_responders(nc):
    try:
        await asyncio.wait_for(nc.request("nobody.listens", b"", timeout=DEADLINE_S), DEADLINE_S / 2)
    except NoRespondersError:
        return
    raise AssertionError("expected no responders")


async def large_message(nc):
    sub = await nc.subscribe("large")
    body = b"x" * nc.max_payload
    await nc.publish("large", body)
    msg = await sub.next_msg(DEADLINE_S)
    expect(msg.data == body, "got", len(msg.data), "bytes of", len(body))


async def unsubscribe_after(nc):
    got = []

    async def keep(msg):
        got.append(msg)

    sub = await nc.subscribe("few", cb=keep)
    await sub.unsubscribe(limit=3)
    for _ in range(10):
        await nc.publish("few", b"")
    await settled(nc)
    # Once the server has removed it, a request finds nobody.
    try:
        await nc.request("few", b"", timeout=DEADLINE_S)
    except NoRespondersError:
        return expect(len(got) == 3, "got", len(got))
    raise AssertionError("the subscription is still there")


async def drain(nc):
    count = 1000
    got = []

    async def keep(msg):
        got.append(msg)

    await nc.subscribe("drained", cb=keep)
    for _ in range(count):
        await nc.publish("drained", b"")
    await nc.drain()
    expect(nc.is_closed and len(got) == count, "got", len(got), "of", count)


async def reconnect(nc):
    """The driver restarts the server when it reads `connected`."""
    sub = await nc.subscribe("again")
    await nc.flush()
    print("connected", flush=True)
    await asyncio.wait_for(back.wait(), 3 * DEADLINE_S)
    await nc.publish("again", b"after")
    msg = await sub.next_msg(DEADLINE_S)
    expect(msg.data == b"after", "got", msg.data)


async def forbidden(nc):
    """The user may not publish or subscribe under `secret`; the connection outlives the attempt."""
    for attempt in [lambda: nc.publish("secret.plan", b""), lambda: nc.subscribe("secret.plan")]:
        await attempt()
        error = str(await asyncio.wait_for(errors.get(), DEADLINE_S)).lower()
        expect("permissions violation" in error and "secret.plan" in error, "got", error)
    await publish_subscribe(nc)


async def service(nc):
    async def add(request):
        await request.respond(b"3")

    added = await add_service(nc, ServiceConfig(name="adder", version="1.0.0"))
    await added.add_endpoint(EndpointConfig(name="add", subject="add", handler=add))
    answer = await nc.request("add", b"", timeout=DEADLINE_S)
    expect(answer.data == b"3", "got", answer.data)
    info = await nc.request("$SRV.INFO.adder", b"", timeout=DEADLINE_S)
    expect(added.id.encode() in info.data, "got", info.data)
    await added.stop()


SCENARIOS = {
    name.replace("_", "-"): globals()[name]
    for name in (
        "publish_subscribe wildcards queue_group request_reply headers no_responders large_message "
        "unsubscribe_after drain reconnect forbidden service"
    ).split()
} | {
    name.replace("_", "-"): getattr(streams, name)
    for name in (
        "jetstream expectations consume redelivery ordered_consumer push_consumer copies key_value object_store"
    ).split()
}

errors = asyncio.Queue()
back = asyncio.Event()


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario")
    parser.add_argument("url")
    for name in ["user", "password", "token", "nkey", "creds", "ca", "cert", "key"]:
        parser.add_argument(f"--{name}")
    parser.add_argument("--tls-first", action="store_true")
    return parser.parse_args()


def tls_of(args):
    if args.ca is None:
        return None
    context = ssl.create_default_context(cafile=args.ca)
    if args.cert is not None:
        context.load_cert_chain(args.cert, args.key)
    return context


async def connected(args):
    async def on_error(error):
        await errors.put(error)

    async def on_reconnect():
        back.set()

    known = {
        "user": args.user,
        "password": args.password,
        "token": args.token,
        "nkeys_seed": args.nkey,
        "user_credentials": args.creds,
        "tls": tls_of(args),
    }
    return await nats.connect(
        args.url,
        name="interop-python",
        connect_timeout=DEADLINE_S,
        allow_reconnect=args.scenario == "reconnect",
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.05,
        tls_handshake_first=args.tls_first,
        error_cb=on_error,
        reconnected_cb=on_reconnect,
        **{name: value for name, value in known.items() if value is not None},
    )


async def refused(args):
    try:
        nc = await connected(args)
    except Exception as error:
        text = f"{error} {None if errors.empty() else errors.get_nowait()}"
        return expect("authorization violation" in text.lower(), "got", text)
    await nc.close()
    raise AssertionError("expected to be refused")


async def no_handshake(args):
    try:
        nc = await connected(args)
    except Exception:
        return
    try:
        # With TLS 1.3 a client hears of a refusal behind its handshake, and this one takes the end for an answer.
        await nc.flush(DEADLINE_S)
    except Exception:
        return
    finally:
        await nc.close()
    raise AssertionError("expected the handshake to fail")


async def main(args):
    if args.scenario == "refused":
        return await refused(args)
    if args.scenario == "no-handshake":
        return await no_handshake(args)
    nc = await connected(args)
    try:
        await SCENARIOS[args.scenario](nc)
    finally:
        if not nc.is_closed:
            await nc.close()


if __name__ == "__main__":
    try:
        asyncio.run(asyncio.wait_for(main(options()), 6 * DEADLINE_S))
    except Exception as error:
        print(repr(error))
        sys.exit(1)
    print("ok")
