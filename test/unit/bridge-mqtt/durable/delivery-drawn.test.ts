/**
 * Sessions whose clients come and go, subscribe and unsubscribe, acknowledge what they want and when they want, at
 * all QoS, with commits that fail and processes that are killed. Each message that is sent is asked what the filters
 * say of it, by a plain look at all of them; in the end all have had what they were to have.
 */
import assert from 'node:assert/strict'
import type { LoggedMessage, StoredFilter } from '../../../../bridge-mqtt/durable/index.ts'
import type { Waiting } from '../../../../bridge-mqtt/durable/session-codec.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import {
  DurableWorld,
  filterOf,
  type Sent,
  type TestLine,
  TestPublisher,
} from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const seeds = process.env['SEED'] ?? Array.from({ length: 8 }, (_, i) => Date.now() + i).join()
const STEPS = 500
const TOPICS = ['a', 'a/1', 'a/2', 'b/1', 'b/2', '$x/1']
const FILTERS = ['#', '+/1', 'a/#', 'a/1', 'a/+', 'b/2', '$x/#']
const SHARED = ['$share/g/a/#', '$share/h/+/2']
/** More than are looked through one by one, and more than are told at once. */
const MANY_FILTERS = 1_500

type Known = StoredFilter & { readonly sinceSeq: number; readonly waiting?: Waiting }

interface Message {
  readonly topic: string
  readonly publisher: string
  readonly qos: number
  /** In the order of all that happens. */
  readonly at: number
}

/** What one client knows, whatever becomes of the server. */
interface Client {
  readonly id: string
  line: TestLine | undefined
  /** Sent and not acknowledged, by packet identifier, in the order in which they came first. */
  readonly unacknowledged: Map<number, string>
  /** PUBREC was sent for them, PUBREL has not come. */
  readonly received: Set<number>
  /** Of what is sent again on this connection. */
  again: string[]
  readonly got: Set<string>
  /** Of those the ones at QoS 2. */
  readonly once: Set<string>
  /** Thrown away, and the server was told so. */
  readonly rejected: Set<string>
  /** The number of the newest that was published to an earlier process. */
  past: number
  /** The number of the newest that came for the first time, from this process. */
  newest: number
  /** By filter: how often it has been taken away. */
  readonly taken: Map<string, number>
  /** Filters that were acknowledged, and not changed since. */
  readonly sure: Map<string, StoredFilter>
  readonly expected: Map<string, string[]>
  changedAt: number
}

function matches(filter: string, topic: string): boolean {
  const [levels, parts] = [filter.split('/'), topic.split('/')]
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  for (const [i, level] of levels.entries()) {
    if (level === '#') return true
    if (parts[i] === undefined || (level !== '+' && level !== parts[i])) return false
  }
  return levels.length === parts.length
}

function topicOf(subject: Uint8Array): string {
  return Buffer.from(subject).toString().replaceAll('.', '/')
}

class Attempt {
  readonly #random: SeededRandom
  readonly #clock = new StoreClock()
  readonly #messages = new Map<string, Message>()
  readonly #told = new Set<string>()
  readonly #refused = new Set<string>()
  readonly #clients: Client[]
  #store: MemoryStore
  #world: DurableWorld | undefined
  #publishers: TestPublisher[] = []
  #serial = 0
  /** How much of what waits is in the next commit; 0: all of it. */
  #batch = 0
  #at = 0
  asked = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#store = new MemoryStore(() => this.#clock.wallMs())
    this.#clients = ['c', 'd', 'many', 'shared'].map((id) => ({
      id,
      line: undefined,
      unacknowledged: new Map(),
      received: new Set(),
      again: [],
      got: new Set(),
      once: new Set(),
      rejected: new Set(),
      past: 0,
      newest: 0,
      taken: new Map(),
      sure: new Map(),
      expected: new Map(),
      changedAt: 0,
    }))
  }

  get #w(): DurableWorld {
    assert.ok(this.#world)
    return this.#world
  }

  async run(): Promise<void> {
    await this.#start()
    for (const { id } of this.#clients) this.#w.session(id)
    const many = Array.from({ length: MANY_FILTERS }, (_, i) => `other/${i}`)
    if (this.#random.below(3) === 0) await this.#w.subscribe('many', ...many)
    else await this.#w.subscribe('many', ...many.slice(0, 20))
    await settle()
    this.#store.isAuto = false
    for (let step = 0; step < STEPS; step++) {
      this.#at++
      await this.#act()
      if (this.#random.below(4) === 0) await settle(2)
      if (this.#random.below(20) === 0) this.#clock.advance(700)
    }
    await this.#end()
    for (const { id, expected, got, taken } of this.#clients) {
      for (const [payload, filters] of expected) {
        const isOwed = filters.some((it) => {
          const [filter, times] = it.split(' ')
          return (taken.get(filter ?? '') ?? 0) === Number(times)
        })
        if (isOwed && this.#told.has(payload)) assert.ok(got.has(payload), `${id} lost ${payload}`)
      }
    }
    assert.equal(this.#w.log.stats.messages, 0, 'nothing is left in the log')
    this.#w.logs.destroy()
  }

  async #start(): Promise<void> {
    this.#world = await DurableWorld.start({ store: this.#store, clock: this.#clock })
    this.#publishers = ['c', 'd', 'stranger'].map(
      (id) => new TestPublisher(this.#w.nextPeerId(), id),
    )
  }

  async #end(): Promise<void> {
    this.#store.isAuto = true
    this.#store.commit()
    for (const client of this.#clients) {
      if (client.line === undefined) this.#come(client)
      this.#w.session(client.id).window.max = 65_535
    }
    for (let turn = 0; turn < 400; turn++) {
      for (const client of this.#clients) {
        if (client.line?.isBehind) client.line.isBehind = false
        this.#w.session(client.id).wake()
        this.#acknowledge(client, 100)
      }
      this.#clock.advance(700)
      await settle(4)
      const isQuiet = this.#clients.every(({ id }) => {
        const session = this.#w.session(id)
        return session.inflight === 0 && session.hasCaughtUp
      })
      if (isQuiet && turn > 20 && this.#w.log.stats.messages === 0) return
      // What a session passed over while a commit of its filters failed is looked for when one goes.
      if (turn !== 40) continue
      await this.#w.subscribe('c', 'none')
      this.#w.session('c').unsubscribe(['none'], () => {})
    }
  }

  async #act(): Promise<void> {
    const draw = this.#random.below(200)
    const client = this.#clients[this.#random.below(this.#clients.length)] as Client
    if (draw < 88) this.#publish()
    else if (draw < 98) this.#batch = this.#store.waiting.length
    else if (draw < 122) this.#commit()
    else if (draw < 132) this.#fail()
    else if (draw < 142) this.#comeOrGo(client)
    else if (draw < 156) this.#subscribe(client)
    else if (draw < 162) this.#unsubscribe(client)
    else if (draw < 192) this.#acknowledge(client, 60)
    else if (draw < 195) this.#stall(client)
    else if (draw < 199) this.#w.session(client.id).window.max = 1 + this.#random.below(40)
    else await this.#kill()
  }

  /** All, or what had come when a batch was full. */
  #commit(): void {
    const batch = this.#batch
    this.#batch = 0
    if (batch === 0) this.#store.commit()
    else this.#store.commit(batch)
  }

  #fail(): void {
    this.#batch = 0
    this.#store.failCommit()
  }

  #publish(): void {
    const publisher = this.#publishers[this.#random.below(3)] as TestPublisher
    publisher.hasNoLocal = this.#random.below(2) === 0
    const topic = TOPICS[this.#random.below(TOPICS.length)] as string
    const own = publisher.hasNoLocal ? publisher.clientId : ''
    for (let left = this.#random.below(4); left >= 0; left--) {
      const payload = `m${++this.#serial}`
      const qos = 1 + this.#random.below(2)
      this.#messages.set(payload, { topic, publisher: own, qos, at: ++this.#at })
      for (const { id, sure, taken, expected } of this.#clients) {
        const found = [...sure.values()].filter(
          (it) => it.qos > 0 && matches(it.filter, topic) && !(it.isNoLocal && own === id),
        )
        if (found.length === 0) continue
        expected.set(
          payload,
          found.map(({ filter }) => `${filter} ${taken.get(filter) ?? 0}`),
        )
      }
      publisher.publish(this.#w.space, topic.replaceAll('/', '.'), payload, qos, (error) => {
        if (error === undefined) this.#told.add(payload)
        else this.#refused.add(payload)
      })
    }
  }

  #subscribe(client: Client): void {
    const random = this.#random
    const names = client.id === 'shared' ? [...SHARED, ...FILTERS.slice(3)] : FILTERS
    const asked = names
      .filter(() => random.below(4) === 0)
      .map((filter) =>
        filterOf(filter, random.below(3), {
          isNoLocal: !filter.startsWith('$share') && random.below(4) === 0,
          isRetainAsPublished: random.below(2) === 0,
          subscriptionId: random.below(2) * (1 + random.below(1_000)),
        }),
      )
    for (const { filter, isNoLocal } of asked) {
      // What its client published before is nothing for it from now on.
      if (isNoLocal) this.#gone(client, filter)
      client.sure.delete(filter)
    }
    client.changedAt = ++this.#at
    const at = this.#at
    this.#w.session(client.id).subscribe(asked, (error) => {
      if (error !== undefined) for (const { filter } of asked) this.#gone(client, filter)
      else if (client.changedAt === at) {
        for (const it of asked) if (!it.filter.startsWith('$share')) client.sure.set(it.filter, it)
      }
      client.changedAt = Math.max(client.changedAt, ++this.#at)
    })
  }

  #unsubscribe(client: Client): void {
    const filters = [...FILTERS, ...SHARED].filter(() => this.#random.below(5) === 0)
    for (const filter of filters) this.#gone(client, filter)
    client.changedAt = ++this.#at
    this.#w.session(client.id).unsubscribe(filters, () => {
      client.changedAt = ++this.#at
    })
  }

  /** What it was to have by it may be left out. */
  #gone({ sure, taken }: Client, filter: string): void {
    sure.delete(filter)
    taken.set(filter, (taken.get(filter) ?? 0) + 1)
  }

  #stall(client: Client): void {
    if (client.line === undefined) return
    client.line.isBehind = !client.line.isBehind
    if (!client.line.isBehind) this.#w.session(client.id).wake()
  }

  #comeOrGo(client: Client): void {
    if (client.line === undefined || this.#random.below(4) === 0) this.#come(client)
    else {
      this.#w.session(client.id).detach()
      client.line = undefined
    }
  }

  #come(client: Client): void {
    const session = this.#w.session(client.id)
    client.again = [...client.unacknowledged.values()]
    client.line = undefined
    const line = this.#w.attach(client.id)
    client.line = line
    // What has left already was kept by the line, and not judged.
    for (const sent of line.sent) this.#sent(client, sent)
    line.accepts = (message) => {
      this.#judge(client, session.filters as ReadonlyMap<string, Known>, message)
      return true
    }
    line.onSent = (sent) => this.#sent(client, sent)
    for (const packetId of line.pubrels) this.#pubrel(client, packetId)
    line.onPubrel = (packetId) => this.#pubrel(client, packetId)
  }

  /** By all filters as they are now. */
  #judge(
    { id, changedAt }: Client,
    filters: ReadonlyMap<string, Known>,
    sent: LoggedMessage,
  ): void {
    const payload = Buffer.from(sent.payload).toString()
    const message = this.#messages.get(payload)
    assert.ok(message)
    const topic = topicOf(sent.subject)
    assert.equal(topic, message.topic)
    if (id === 'shared') return
    this.asked++
    let qos = 0
    const ids: number[] = []
    let isRetainAsPublished = false
    for (const it of filters.values()) {
      if (!matches(it.filter, topic) || (it.isNoLocal && message.publisher === id)) continue
      const { waiting, sinceSeq } = it
      const isOld =
        waiting !== undefined && sent.seq > waiting.sinceSeq && sent.seq <= waiting.untilSeq
      if (!isOld && sent.seq <= sinceSeq) continue
      qos = Math.max(qos, isOld ? waiting.qos : it.qos)
      if (it.subscriptionId > 0) ids.push(it.subscriptionId)
      isRetainAsPublished ||= it.isRetainAsPublished
    }
    const text = `${id} ${payload} ${topic}`
    assert.deepEqual([...sent.subscriptionIds].sort(), ids.sort(), text)
    assert.equal(sent.isRetainAsPublished, isRetainAsPublished, text)
    if (changedAt < message.at) assert.equal(sent.qos, Math.min(qos, message.qos), text)
  }

  #sent(client: Client, { payload, packetId, qos, isDup }: Sent): void {
    const { unacknowledged, received, got, once, again } = client
    // Of one message each group and the other filters have one.
    const isOfGroups = client.id === 'shared'
    const text = `${client.id} ${payload} ${packetId} at QoS ${qos}`
    assert.ok(!this.#refused.has(payload), `${text} was not stored`)
    if (received.has(packetId)) {
      assert.ok(isDup && qos === 2, `${text} has the identifier of another`)
      queueMicrotask(() => this.#w.session(client.id).pubrec(packetId, 0))
      return
    }
    const number = Number(payload.slice(1))
    this.#qosOf.set(`${client.id} ${packetId}`, qos)
    // What was acknowledged may not have come to the disk before the process was killed.
    // And what had an identifier then may not have left.
    const isUnsure = qos === 1 || client.rejected.has(payload) || (isDup && !once.has(payload))
    if (number <= client.past && (isUnsure || (isOfGroups && isDup))) {
      got.add(payload)
      if (qos === 2) once.add(payload)
      unacknowledged.set(packetId, payload)
      return
    }
    if (isDup) {
      assert.equal(unacknowledged.get(packetId), payload, `${text} sent again`)
      const at = again.indexOf(payload)
      assert.ok(at >= 0, `${text} is sent again in another order, or twice`)
      again.splice(0, at + 1)
      return
    }
    assert.ok(!unacknowledged.has(packetId), `${text} has an identifier that is in use`)
    assert.ok(qos === 1 || !once.has(payload) || isOfGroups, `${text} came twice`)
    assert.ok(number + (isOfGroups ? 1 : 0) > client.newest, `${text} came twice, or late`)
    client.newest = number
    got.add(payload)
    if (qos === 2) once.add(payload)
    unacknowledged.set(packetId, payload)
  }

  readonly #qosOf = new Map<string, number>()

  #acknowledge(client: Client, percent: number): void {
    if (client.line === undefined) return
    const session = this.#w.session(client.id)
    const some = [...client.unacknowledged].filter(() => this.#random.below(100) < percent)
    if (this.#random.below(3) === 0) some.reverse()
    for (const [packetId, payload] of some) {
      // It may have been sent since under this identifier, and acknowledged.
      if (client.unacknowledged.get(packetId) !== payload) continue
      client.unacknowledged.delete(packetId)
      if (this.#qosOf.get(`${client.id} ${packetId}`) === 1) session.puback(packetId, 0)
      else if (this.#random.below(10) === 0) {
        client.rejected.add(payload)
        session.pubrec(packetId, 0x97)
      } else {
        client.received.add(packetId)
        session.pubrec(packetId, 0)
      }
    }
  }

  #pubrel(client: Client, packetId: number): void {
    client.received.delete(packetId)
    queueMicrotask(() => this.#w.session(client.id).pubcomp(packetId))
  }

  /** The next process finds what was committed. */
  async #kill(): Promise<void> {
    this.#w.logs.destroy()
    this.#store = this.#store.restarted()
    this.#batch = 0
    this.#store.isAuto = true
    await this.#start()
    for (const client of this.#clients) {
      client.line = undefined
      client.changedAt = ++this.#at
      this.#forgetPast(client)
    }
    await settle()
    this.#store.isAuto = false
  }

  /** At QoS 1 what was sent may come once more as if it were new; what is in flight at QoS 2 may not. */
  #forgetPast(client: Client): void {
    const { sure } = client
    const known = this.#w.session(client.id).filters
    for (const filter of [...sure.keys()]) {
      assert.ok(known.has(filter), `${client.id} was told that it has ${filter}`)
    }
    for (const filter of [...FILTERS, ...SHARED]) {
      if (!sure.has(filter)) this.#gone(client, filter)
    }
    for (const packetId of [...client.unacknowledged.keys()]) {
      if (this.#qosOf.get(`${client.id} ${packetId}`) === 1) client.unacknowledged.delete(packetId)
    }
    client.newest = 0
    client.past = this.#serial
  }
}

describe('mqtt durable: sessions whose clients do what they want', () => {
  for (const seed of seeds.split(',').map(Number)) {
    it(`get what their filters say then, once and in order, seed=${seed}`, async () => {
      const attempt = new Attempt(seed)
      await attempt.run()
      assert.ok(attempt.asked > 20, `${attempt.asked}`)
    })
  }
})
