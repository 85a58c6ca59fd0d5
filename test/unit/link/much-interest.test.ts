import assert from 'node:assert/strict'
import type { Subscription } from '../../../shared/broker/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'
import { RecordingPeer } from '../../support/recording-peer.ts'

const COUNT = 60_000

/** What a link is told when it comes up may be far more than may wait for it. */
describe('link: much interest', () => {
  it('is told piece by piece, and forgotten so, on a link that holds little', async () => {
    const limits = { pendingBytesMax: 512 * 1024 }
    const hub = new LinkNode('hub', { limits })
    const leaf = new LinkNode('leaf', { limits })
    try {
      const peer = new RecordingPeer('local')
      for (let i = 0; i < COUNT; i++) {
        leaf.space$G.subscribe(peer, { subject: `plant.${i % 100}.sensor.${i}.temperature` })
      }
      const uplink = leaf.dial(`nats-leaf://127.0.0.1:${await hub.listen()}`)
      await reached(uplink, 'up')
      const known = (): number => hub.acceptor.leaves[0]?.stats.subscriptions ?? 0
      assert.ok(known() < COUNT, 'the link is up before all of it is told')
      const late = leaf.subscriber('late.>')
      await eventually(() => known() === COUNT + 2, 'all interest, the late one, the loop subject')
      assert.equal(uplink.state.name, 'up')

      hub.publish(`plant.${(COUNT - 1) % 100}.sensor.${COUNT - 1}.temperature`, 'last')
      hub.publish('late.1', 'late')
      await eventually(() => peer.got.length === 1 && late.got.length === 1, 'both messages')

      await uplink.destroy()
      await eventually(() => hub.acceptor.leaves.length === 0, 'its end')
      assert.ok(hub.space('$G').subscriptionCount > 0, 'not all in one turn')
      hub.publish('late.1', 'to nobody')
      await eventually(() => hub.space('$G').subscriptionCount === 0, 'no interest')
      assert.equal(late.got.length, 1)
    } finally {
      await leaf.close()
      await hub.close()
    }
  })

  it('is the same at both ends in the end, whatever changes while it is counted and told', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
    const random = new SeededRandom(seed)
    const hub = new LinkNode('hub')
    const leaf = new LinkNode('leaf')
    try {
      const peer = new RecordingPeer('local')
      const subscribe = (): Subscription => {
        const queue = random.below(4) === 0 ? 'q' : ''
        return leaf.space$G.subscribe(peer, { subject: `s${queue}.${random.below(COUNT)}`, queue })
      }
      const living = Array.from({ length: COUNT }, subscribe)
      const uplink = leaf.dial(`nats-leaf://127.0.0.1:${await hub.listen()}`)
      const { loopSubject } = leaf.accounts.of('$G')
      let toldAtOnce: number | undefined
      for (let turn = 0; turn < 400; turn++) {
        for (let i = random.below(100); i > 0; i--) living.push(subscribe())
        for (let i = random.below(100); i > 0; i--) {
          const gone = living.splice(random.below(living.length), 1)[0]
          if (gone !== undefined) leaf.space$G.unsubscribe(gone)
        }
        if (uplink.state.name === 'up') toldAtOnce ??= hub.space('$G').subscriptionCount
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.ok(toldAtOnce !== undefined && toldAtOnce < COUNT / 2, `seed=${seed}: while told`)

      const wanted = sums(living)
      wanted.set(`${loopSubject} `, 1)
      const count = (): number => hub.space('$G').subscriptionCount
      await eventually(() => count() === wanted.size, `seed=${seed}: ${wanted.size} at the hub`)
      await eventually(() => isSame(sums(hub.space$G.subscriptions()), wanted), `seed=${seed}`)
    } finally {
      await leaf.close()
      await hub.close()
    }
  })

  it('keeps no message of a queue group from its living member while it is forgotten', async () => {
    const hub = new LinkNode('hub')
    const [large, small] = [new LinkNode('large'), new LinkNode('small')]
    try {
      const url = `nats-leaf://127.0.0.1:${await hub.listen()}`
      const peer = new RecordingPeer('local')
      for (let i = 0; i < COUNT; i++) large.space$G.subscribe(peer, { subject: `sensor.${i}` })
      large.subscriber('job', 'q')
      large.subscriber('alone', 'q')
      const uplink = large.dial(url)
      const living = small.subscriber('job', 'q')
      await reached(small.dial(url), 'up')
      await hub.linkInterest('job', 2)
      await hub.linkInterest('alone')

      await uplink.destroy()
      await eventually(() => hub.acceptor.leaves.length === 1, 'its end')
      const asked = [...hub.space$G.subscriptions()].map(({ subject }) => subject)
      assert.ok(asked.includes(`sensor.${COUNT - 1}`), 'not all is forgotten')
      for (let i = 0; i < 100; i++) assert.equal(hub.publish('job', `${i}`), 1)
      assert.equal(hub.publish('alone', 'to nobody'), 0)
      assert.equal(hub.publish(`sensor.${COUNT - 1}`, 'to nobody'), 0)
      await eventually(() => living.got.length === 100, 'every message at the living member')
    } finally {
      await Promise.all([large.close(), small.close()])
      await hub.close()
    }
  })
})

/** What a link tells of them: of a queue group its members, of all others that they are there. */
function sums(subscriptions: Iterable<Subscription>): Map<string, number> {
  const sums = new Map<string, number>()
  for (const { subject, queue, weight } of subscriptions) {
    const key = `${subject} ${queue}`
    sums.set(key, queue === '' ? 1 : (sums.get(key) ?? 0) + weight)
  }
  return sums
}

function isSame(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  return one.size === other.size && [...one].every(([key, count]) => other.get(key) === count)
}
