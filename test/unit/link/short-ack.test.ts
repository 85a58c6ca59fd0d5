import assert from 'node:assert/strict'
import { shortAckInterest } from '../../../shared/link/short-ack.ts'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'

const ACK = '$JS.ACK.JOBS.c.1.7.7.1700000000.0'
const OWN_ACKS = '$JS.ACK.*.*.*.*.*.*.*'
const ACKS_OF_C = '$JS.ACK.JOBS.c.*.*.*.*.*'

describe('acks that name no server', () => {
  let nodes: LinkNode[] = []

  afterEach(async () => {
    for (const it of nodes) await it.close()
    nodes = []
  })

  /** Two leaves and the hub between them. */
  const chain = async (): Promise<[LinkNode, LinkNode, LinkNode]> => {
    const [one, hub, two] = ['one', 'hub', 'two'].map((name) => new LinkNode(name)) as [
      LinkNode,
      LinkNode,
      LinkNode,
    ]
    nodes = [one, two, hub]
    const port = await hub.listen()
    for (const leaf of [one, two]) await reached(leaf.dial(`nats-leaf://127.0.0.1:${port}`), 'up')
    return [one, hub, two]
  }
  /** Whatever was published at `from` before has come to `to` when this resolves. */
  const flushed = async (from: LinkNode, to: LinkNode): Promise<void> => {
    const end = to.subscriber('flushed')
    await from.linkInterest('flushed')
    from.publish('flushed', '')
    await eventually(() => end.got.length === 1, 'flushed')
  }

  it('stay at their server, though somebody elsewhere listens to everything', async () => {
    const [one, hub] = await chain()
    const engine = hub.subscriber(OWN_ACKS)
    const wiretap = hub.subscriber('>')
    await one.linkInterest('>')
    one.publish(ACK, '+ACK')
    await flushed(one, hub)
    assert.equal(engine.got.length, 0)
    assert.deepEqual(
      wiretap.got.map((it) => it.subject),
      ['flushed'],
    )
    assert.ok(![...one.space$G.subscriptions()].some((it) => it.subject === OWN_ACKS))
  })

  it('cross to the server that asked for the acks of just this consumer', async () => {
    const [one, hub, two] = await chain()
    const consumer = two.subscriber(ACKS_OF_C)
    await one.linkInterest(ACKS_OF_C)
    one.publish(ACK, '+ACK')
    one.publish('$JS.ACK.JOBS.d.1.7.7.1700000000.0', '+ACK')
    hub.publish(ACK, '+NAK')
    await eventually(() => consumer.got.length === 2, 'acks from the hub and through it')
    assert.deepEqual(new Set(consumer.got.map((it) => it.payload)), new Set(['+ACK', '+NAK']))
  })

  it('are told by their tokens', () => {
    const of = (subject: string): string | undefined => shortAckInterest(Buffer.from(subject))
    assert.equal(of(ACK), ACKS_OF_C)
    for (const other of ['', '$JS.ACK.', '$JS.ACK.a', `${ACK}.1`, '$JS.ACK.d.h.S.c.1.7.7.17.0']) {
      assert.equal(of(other), undefined, other)
    }
  })
})
