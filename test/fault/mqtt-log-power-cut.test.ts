/**
 * Durable MQTT sessions whose server is killed, or loses its power, at any moment: what was acknowledged
 * reaches every session that was to have it, in order, and at QoS 2 nothing comes twice, end to end. The
 * clients keep to the protocol, and their state outlives every crash.
 */
import assert from 'node:assert/strict'
import type { DurableSession } from '../../bridge-mqtt/durable/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { CutMachine } from '../support/cut-machine.ts'
import { DurableWorld, filterOf, type Sent, TestLine } from '../support/durable-world.ts'
import { settle } from '../support/store-clock.ts'

const SEEDS = 12
const ROUNDS = 6
const OPERATIONS = 90
const FILTERS = ['a/+', 'a/1', 'b/#', '#'] as const

interface Published {
  readonly payload: string
  readonly subject: string
  readonly index: number
  isAcknowledged: boolean
}

/** One client, as its device knows it. */
class Client {
  readonly id: string
  line: TestLine | undefined
  /** It has asked for a session anew, and was not answered. */
  isEnding = false
  /** What it was told is there, by filter; undefined while that is not known. */
  readonly filters = new Map<string, { readonly qos: number; isSure: boolean }>()
  /** Published while a filter was sure to match. */
  expected = new Set<Published>()
  got = new Map<string, number>()
  gotExactly = new Map<string, number>()
  /** Nothing older than this may come: its session was made then. */
  sinceIndex = 0
  lastIndex = -1
  /** Identifiers of QoS 2 messages that it has and that were not released. */
  readonly received = new Set<number>()
  /** Packets that it owes. */
  readonly owed: { readonly kind: 'puback' | 'pubrec' | 'pubcomp'; readonly packetId: number }[] =
    []

  constructor(id: string) {
    this.id = id
  }

  forget(index: number): void {
    this.filters.clear()
    this.expected.clear()
    this.received.clear()
    this.got = new Map()
    this.gotExactly = new Map()
    this.sinceIndex = index
  }
}

/** A device that publishes at QoS 2 and sends again what it was not told of. */
class Device {
  readonly sending = new Map<number, { readonly published: Published; isReceived: boolean }>()
  #last = 0

  nextId(): number {
    this.#last = (this.#last % 50) + 1
    return this.#last
  }
}

class Scenario {
  readonly #random: SeededRandom
  readonly #machine: CutMachine
  readonly #clients = ['c0', 'c1', 'c2', 'c3'].map((id) => new Client(id))
  readonly #device = new Device()
  readonly #published = new Map<string, Published>()
  #world: DurableWorld | undefined
  /** Of an earlier process: what it says now counts for nothing. */
  #life = 0
  #serial = 0
  /** What a client found wrong, in a delivery. */
  #failure: unknown
  crashes = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#machine = new CutMachine(this.#random.fork())
  }

  get #w(): DurableWorld {
    assert.ok(this.#world)
    return this.#world
  }

  async start(): Promise<void> {
    await this.#machine.open()
    const { store, clock } = this.#machine
    this.#world = await DurableWorld.start({ store, clock, seed: this.#random.below(1e9) })
    for (const client of this.#clients) {
      client.line = undefined
      client.owed.length = 0
      const session = this.#w.log.sessions.get(client.id)
      if (client.isEnding && session === undefined) client.forget(this.#serial)
      if (client.isEnding) {
        client.expected.clear()
        for (const known of client.filters.values()) known.isSure = false
      }
      client.isEnding = false
      this.#found(client, session)
    }
    this.#resend()
  }

  /** What was sure is there; what was not is as it was found. */
  #found(client: Client, session: DurableSession | undefined): void {
    for (const [filter, { isSure }] of client.filters) {
      const isThere = session?.filters.has(filter) === true
      assert.ok(isThere || !isSure, `${client.id} has lost its filter ${filter}`)
      if (!isThere) client.filters.delete(filter)
    }
    for (const [filter, { qos }] of session?.filters ?? []) {
      client.filters.set(filter, { qos, isSure: true })
    }
  }

  async run(operations: number): Promise<void> {
    for (let i = 0; i < operations; i++) {
      this.#act()
      if (this.#failure !== undefined) throw this.#failure
      if (this.#random.below(3) === 0) await settle(this.#random.below(6))
      if (this.#random.below(10) === 0) this.#machine.clock.advance(100 + this.#random.below(900))
    }
  }

  crash(): void {
    this.crashes++
    this.#life++
    this.#w.logs.destroy()
    this.#machine.crash()
  }

  #act(): void {
    const draw = this.#random.below(100)
    const client = this.#clients[this.#random.below(this.#clients.length)] as Client
    if (draw < 30) this.#publish()
    else if (draw < 42) this.#publishExactly()
    else if (client.isEnding) return
    else if (draw < 72) this.#answer(client)
    else if (draw < 82) this.#comeOrGo(client)
    else if (draw < 90) this.#subscribe(client)
    else if (draw < 93) this.#unsubscribe(client)
    else if (draw < 94) this.#end(client)
    else if (client.line !== undefined) {
      client.line.isBehind = !client.line.isBehind
      if (!client.line.isBehind) this.#w.session(client.id).wake()
    }
  }

  #new(): Published {
    const index = ++this.#serial
    const subject = ['a.1', 'a.2', 'b', 'b.x.y'][this.#random.below(4)] as string
    const padding = '.'.repeat(this.#random.below(200))
    const published = { payload: `m${index}/${padding}`, subject, index, isAcknowledged: false }
    this.#published.set(published.payload, published)
    for (const client of this.#clients) {
      for (const [filter, { isSure }] of client.filters) {
        if (isSure && isMatching(filter, subject)) client.expected.add(published)
      }
    }
    return published
  }

  #publish(): void {
    const published = this.#new()
    const life = this.#life
    const { publisher, space } = this.#w
    publisher.publish(
      space,
      published.subject,
      published.payload,
      1 + this.#random.below(2),
      (error) => {
        if (life === this.#life) published.isAcknowledged = error === undefined
      },
    )
  }

  #publishExactly(): void {
    const packetId = this.#device.nextId()
    if (this.#device.sending.has(packetId)) return
    this.#device.sending.set(packetId, { published: this.#new(), isReceived: false })
    this.#send(packetId)
  }

  /** What a server does with a QoS 2 publish. */
  #send(packetId: number): void {
    const sending = this.#device.sending.get(packetId)
    if (sending === undefined) return
    const life = this.#life
    const session = this.#w.session('device')
    const { store } = this.#machine
    const pubrec = (error: unknown): void => {
      if (life !== this.#life || error !== undefined) return
      sending.isReceived = true
      sending.published.isAcknowledged = true
      this.#release(packetId)
    }
    if (session.hasReceived(packetId)) {
      store.barrier(pubrec)
      return
    }
    const { payload, subject } = sending.published
    let waits = 2
    const told = (error: unknown): void => {
      if (error === undefined && --waits === 0) pubrec(undefined)
    }
    store.transaction(() => {
      session.received(packetId, told)
      this.#w.publisher.publish(this.#w.space, subject, payload, 2, told)
    })
  }

  #release(packetId: number): void {
    const life = this.#life
    this.#w.session('device').released(packetId, (error) => {
      if (life === this.#life && error === undefined) this.#device.sending.delete(packetId)
    })
  }

  /** The device is connected anew. */
  #resend(): void {
    for (const [packetId, { isReceived }] of this.#device.sending) {
      if (isReceived) this.#release(packetId)
      else this.#send(packetId)
    }
  }

  #comeOrGo(client: Client): void {
    const session = this.#w.session(client.id)
    if (client.line !== undefined && this.#random.below(2) === 0) {
      session.detach()
      client.line = undefined
      client.owed.length = 0
      return
    }
    const line = new TestLine(client.id)
    client.line = line
    client.owed.length = 0
    line.onSent = (sent) => {
      try {
        this.#came(client, sent)
      } catch (error) {
        this.#failure ??= error
      }
    }
    line.onPubrel = (packetId) => {
      client.received.delete(packetId)
      client.owed.push({ kind: 'pubcomp', packetId })
    }
    session.window.max = 1 + this.#random.below(6)
    session.attach(line)
  }

  #came(client: Client, { packetId, payload, qos }: Sent): void {
    const published = this.#published.get(payload)
    assert.ok(published, `${client.id} got ${payload}`)
    assert.ok(
      published.index > client.sinceIndex,
      `${client.id}: ${payload} is older than its session`,
    )
    if (qos === 2) {
      client.owed.push({ kind: 'pubrec', packetId })
      if (client.received.has(packetId)) return
      client.received.add(packetId)
      const times = (client.gotExactly.get(payload) ?? 0) + 1
      client.gotExactly.set(payload, times)
      assert.equal(times, 1, `${client.id} got ${payload} twice at QoS 2`)
    } else client.owed.push({ kind: 'puback', packetId })
    if (!client.got.has(payload)) {
      assert.ok(published.index > client.lastIndex, `${client.id}: ${payload} comes late`)
      client.lastIndex = published.index
    }
    client.got.set(payload, qos)
  }

  #answer(client: Client): void {
    for (let count = 1 + this.#random.below(4); count > 0; count--) {
      const owed = client.owed.shift()
      if (owed === undefined) return
      const session = this.#w.session(client.id)
      const { kind, packetId } = owed
      if (kind === 'puback') session.puback(packetId, 0)
      else if (kind === 'pubrec') session.pubrec(packetId, 0)
      else session.pubcomp(packetId)
    }
  }

  #subscribe(client: Client): void {
    const filter = FILTERS[this.#random.below(FILTERS.length)] as string
    const isShort = this.#random.below(4) > 0
    if (client.filters.has(filter) || (filter === '#' && isShort)) return
    const qos = 1 + (filter.length % 2)
    const known = { qos, isSure: false }
    client.filters.set(filter, known)
    const life = this.#life
    this.#w.session(client.id).subscribe([filterOf(filter, qos)], (error) => {
      if (life === this.#life && error === undefined) known.isSure = true
    })
  }

  #unsubscribe(client: Client): void {
    const [filter] = [...client.filters.keys()]
    const known = filter === undefined ? undefined : client.filters.get(filter)
    if (filter === undefined || known?.isSure !== true) return
    known.isSure = false
    for (const published of client.expected) {
      if (isMatching(filter, published.subject)) client.expected.delete(published)
    }
    const life = this.#life
    this.#w.session(client.id).unsubscribe([filter], () => {
      if (life === this.#life) client.filters.delete(filter)
    })
  }

  /** A clean start: the client is answered when the old session is gone for sure, and knows nothing of it. */
  #end(client: Client): void {
    const life = this.#life
    client.isEnding = true
    client.line = undefined
    client.owed.length = 0
    this.#w.session(client.id).end((error) => {
      if (life !== this.#life || error !== undefined) return
      client.isEnding = false
      client.forget(this.#serial)
    })
  }

  /** Everybody comes, and acknowledges everything. */
  async finish(): Promise<void> {
    for (let turn = 0; turn < 400; turn++) {
      for (const client of this.#clients) {
        if (client.isEnding) continue
        if (client.line === undefined) this.#comeOrGo(client)
        else if (client.line.isBehind) {
          client.line.isBehind = false
          this.#w.session(client.id).wake()
        }
        this.#answer(client)
      }
      await settle(4)
      if (turn % 20 === 0) this.#machine.clock.advance(300)
    }
  }

  async check(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    for (const client of this.#clients) {
      assert.equal(client.owed.length, 0, `${client.id} owes nothing`)
      assert.equal(this.#w.session(client.id).inflight, 0, `${client.id} has nothing in flight`)
      for (const { payload, isAcknowledged } of client.expected) {
        assert.ok(!isAcknowledged || client.got.has(payload), `${client.id} has lost ${payload}`)
      }
    }
    assert.equal(this.#device.sending.size, 0, 'the device was told of everything')
    this.#machine.clock.advance(2_000)
    await settle(60)
    this.#machine.clock.advance(2_000)
    await settle(60)
    assert.equal(this.#w.log.stats.messages, 0, 'nothing is left in the log')
  }

  get figures(): string {
    const got = this.#clients.map(({ got: all }) => all.size).join('/')
    return `${this.#serial} published, ${got} delivered, ${this.crashes} crashes`
  }

  async end(): Promise<void> {
    this.#w.logs.destroy()
    await this.#machine.end()
  }
}

function isMatching(filter: string, subject: string): boolean {
  const pattern = filter.replaceAll('/', '.').replace('+', '*').replace('#', '>')
  const isParent = pattern.endsWith('.>') && subject === pattern.slice(0, -2)
  return isParent || new SubjectFilter(pattern).matchesText(subject)
}

describe('fault: durable mqtt sessions and power cuts', function () {
  this.timeout(120_000)
  const first = Number(process.env['SEED'] ?? 1)
  const count = process.env['SEED'] === undefined ? SEEDS : 1

  for (let seed = first; seed < first + count; seed++) {
    it(`loses nothing and brings nothing twice: seed ${seed}`, async () => {
      const scenario = new Scenario(seed)
      await scenario.start()
      for (let round = 0; round < ROUNDS; round++) {
        await scenario.run(OPERATIONS)
        scenario.crash()
        await scenario.start()
      }
      await scenario.finish()
      await scenario.check()
      if (process.env['SEED'] !== undefined) console.log(scenario.figures)
      await scenario.end()
    })
  }
})
