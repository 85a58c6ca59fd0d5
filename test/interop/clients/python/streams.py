"""What the interop tests do with streams, buckets and objects, each over a connection that is given."""

import asyncio

from nats.js import api
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError

DEADLINE_S = 5


def expect(is_so, *said):
    if not is_so:
        raise AssertionError(" ".join(str(word) for word in said))


async def filled(nc, name, count):
    """A stream that has `count` messages, m1 to m<count>."""
    js = nc.jetstream(timeout=DEADLINE_S)
    await js.add_stream(name=name, subjects=[f"{name}.>"], allow_direct=True)
    for number in range(1, count + 1):
        await js.publish_async(f"{name}.a", b"m%d" % number)
    await asyncio.wait_for(js.publish_async_completed(), DEADLINE_S)
    return js


async def jetstream(nc):
    js = nc.jetstream(timeout=DEADLINE_S)
    await js.add_stream(name="PYTHON", subjects=["python.>"])
    await js.publish("python.1", b"kept")
    reader = await js.pull_subscribe("python.>", durable="reader")
    [msg] = await reader.fetch(1, timeout=DEADLINE_S)
    expect(msg.data == b"kept", "got", msg.data)
    await msg.ack_sync(timeout=DEADLINE_S)
    await js.delete_stream("PYTHON")


async def expectations(nc):
    js = await filled(nc, "PYEXPECT", 3)
    marked = {"Nats-Msg-Id": "id"}
    first = await js.publish("PYEXPECT.a", b"once", headers=marked)
    again = await js.publish("PYEXPECT.a", b"once", headers=marked)
    expect(again.duplicate and again.seq == first.seq, "second", again, "first", first)
    try:
        await js.publish("PYEXPECT.a", headers={"Nats-Expected-Last-Sequence": "99"})
        raise AssertionError("took what expects another sequence")
    except APIError as error:
        expect(error.err_code == 10071, "got", error)
    last = await js.get_last_msg("PYEXPECT", "PYEXPECT.a", direct=True)
    expect((last.seq, last.data) == (4, b"once"), "last is", last)
    await js.delete_stream("PYEXPECT")


async def consume(nc):
    js = await filled(nc, "PYCONSUME", 500)
    reader = await js.pull_subscribe("PYCONSUME.>", durable="reader")
    got = []
    while len(got) < 500:
        for msg in await reader.fetch(100, timeout=DEADLINE_S):
            got.append(msg.data)
            await msg.ack()
    expect(got == [b"m%d" % number for number in range(1, 501)], "got", got)
    while (await js.consumer_info("PYCONSUME", "reader")).ack_floor.stream_seq != 500:
        pass
    await js.delete_stream("PYCONSUME")


async def redelivery(nc):
    js = await filled(nc, "PYAGAIN", 2)
    config = api.ConsumerConfig(ack_wait=DEADLINE_S, max_deliver=3)
    reader = await js.pull_subscribe("PYAGAIN.>", durable="reader", config=config)
    [first] = await reader.fetch(1, timeout=DEADLINE_S)
    await first.nak(delay=0.05)
    [second] = await reader.fetch(1, timeout=DEADLINE_S)
    await second.term()
    [again] = await reader.fetch(1, timeout=DEADLINE_S)
    expect((again.data, again.metadata.num_delivered) == (b"m1", 2), "got", again)
    await again.ack_sync(timeout=DEADLINE_S)
    await js.delete_stream("PYAGAIN")


async def ordered_consumer(nc):
    js = await filled(nc, "PYORDER", 300)
    sub = await js.subscribe("PYORDER.>", ordered_consumer=True)
    for number in range(1, 301):
        msg = await sub.next_msg(DEADLINE_S)
        expect(msg.data == b"m%d" % number, "got", msg.data, "at", number)
    await sub.unsubscribe()
    await js.delete_stream("PYORDER")


async def push_consumer(nc):
    js = await filled(nc, "PYPUSH", 200)
    config = api.ConsumerConfig(idle_heartbeat=1, flow_control=True, ack_policy=api.AckPolicy.ALL)
    sub = await js.subscribe("PYPUSH.>", durable="reader", config=config, manual_ack=True)
    for _ in range(200):
        msg = await sub.next_msg(DEADLINE_S)
    await msg.ack_sync(timeout=DEADLINE_S)
    info = await sub.consumer_info()
    expect((info.num_ack_pending, info.ack_floor.stream_seq) == (0, 200), "got", info)
    await js.delete_stream("PYPUSH")


async def copies(nc):
    js = await filled(nc, "PYFROM", 50)
    origin = api.StreamSource(name="PYFROM")
    for config in [
        api.StreamConfig(name="PYMIRROR", mirror=origin),
        api.StreamConfig(name="PYSOURCE", sources=[origin]),
    ]:
        await js.add_stream(config)
        while (await js.stream_info(config.name)).state.messages < 50:
            await asyncio.sleep(0.02)
        msg = await js.get_msg(config.name, 50)
        expect(msg.data == b"m50", config.name, "has", msg.data)
        await js.delete_stream(config.name)
    await js.delete_stream("PYFROM")


async def key_value(nc):
    js = nc.jetstream(timeout=DEADLINE_S)
    bucket = await js.create_key_value(bucket="pybucket", history=5)
    watcher = await bucket.watch("lamp.>")
    first = await bucket.create("lamp.a", b"on")
    for change in [bucket.create("lamp.a", b""), bucket.update("lamp.a", b"", last=99)]:
        try:
            await change
            raise AssertionError("changed what is not as expected")
        except KeyWrongLastSequenceError:
            pass
    await bucket.update("lamp.a", b"off", last=first)
    await bucket.delete("lamp.a")
    seen = [await watcher.updates(DEADLINE_S) for _ in range(4)]
    values = [None if entry is None else entry.value for entry in seen]
    expect(values[:3] == [None, b"on", b"off"] and not values[3], "watched", values)
    operations = [entry.operation for entry in await bucket.history("lamp.a")]
    expect(operations == [None, None, "DEL"], "history", operations)
    for key in ["lamp.a", "none"]:
        try:
            await bucket.get(key)
            raise AssertionError(f"{key} is there")
        except KeyNotFoundError:
            pass
    await js.delete_key_value("pybucket")


async def object_store(nc):
    js = nc.jetstream(timeout=DEADLINE_S)
    store = await js.create_object_store("pyobjects")
    large = b"0123456789abcdef" * 40_000
    await store.put("large", large)
    await store.put("small", b"words")
    got = (await store.get("large")).data
    expect(got == large, len(got), "bytes came back")
    await store.delete("large")
    names = [info.name for info in await store.list(ignore_deletes=True)]
    expect(names == ["small"], "listed", names)
    await js.delete_object_store("pyobjects")
