import assert from 'node:assert/strict'
import { ServerIdentity } from '../../shared/link/index.ts'
import type { SeededRandom } from '../../shared/runtime/index.ts'
import { type SimNode, SimWorld } from '../sim/index.ts'
import { PeerHub } from './peer-hub.ts'
import type { RecordingPeer } from './recording-peer.ts'

const ACCOUNTS = ['$G', 'other']
const SUBJECTS = ['plant.1', 'plant.2', 'ship.1']
const FILTERS = ['plant.*', 'plant.1', '>', 'ship.>', 'ship.1']
const GROUPS = ['workers', 'billing']

export interface Place {
  readonly name: string
  readonly region: string
  readonly routes: readonly string[]
  readonly gateways: Readonly<Record<string, readonly string[]>>
}

interface Member {
  readonly hub: string
  readonly account: string
  readonly filter: string
  readonly queue: string
  readonly peer: RecordingPeer
  readonly stop: () => void
}

/** What a stream's capture is subscribed to; one per hub and account. */
const CAPTURED = 'plant.*'
/** Stands for a queue group's name with members that are captures. */
const STREAM = 'stream'

interface Sent {
  readonly account: string
  readonly subject: string
}

/**
 * Hubs of two regions in a simulated world, their clients in two accounts, and everything that may
 * befall them. What clients got is checked after each step: nothing twice, nothing of another account,
 * a queue group's message to one member of all, and stored by one stream of all.
 */
export class Supercluster {
  readonly world: SimWorld
  readonly #random: SeededRandom
  readonly #places: readonly Place[]
  readonly #identities = new Map<string, ServerIdentity>()
  readonly #hubs = new Map<string, PeerHub>()
  readonly #members: Member[] = []
  /** All that ever were, with those of hubs that are gone. */
  readonly #receivers: Member[] = []
  readonly #sent = new Map<string, Sent>()
  #messages = 0
  #boots = 0

  constructor(seed: number, places: readonly Place[]) {
    this.world = new SimWorld({ seed })
    this.#random = this.world.random.fork()
    this.#places = places
  }

  get sent(): number {
    return this.#messages
  }

  async start(): Promise<void> {
    for (const place of this.#places) await this.#startHub(place)
    await this.settle()
  }

  /** One thing happens, and some time passes. */
  async step(): Promise<void> {
    const action = this.#random.below(20)
    const [a, b] = this.#twoNodes()
    if (action < 6) this.#publish()
    else if (action < 8) this.#subscribe()
    else if (action === 8) this.#addStream()
    else if (action < 11) this.#unsubscribe()
    else if (action === 11) this.world.cut(a, b)
    else if (action === 12) this.world.partition(a, b)
    else if (action === 13) this.world.blockOneWay(a, b)
    else if (action < 16) this.world.heal()
    else if (action === 16) this.#crash()
    else if (action < 19) await this.#restartOne()
    else this.#burst()
    await this.world.run({ forMs: this.#random.below(400) })
    this.check()
  }

  /** All faults end: the mesh is whole again, and every hub knows exactly what the others ask for. */
  async settle(): Promise<void> {
    this.world.heal()
    for (const place of this.#places) if (!this.#hubs.has(place.name)) await this.#startHub(place)
    const until = (): boolean => this.#isConverged()
    try {
      await this.world.run({ until, forMs: 120_000, what: 'convergence' })
    } catch (error) {
      const logs = [...this.#hubs.values()].map((hub) => `${hub.name}\n${hub.log.text()}`)
      throw new Error(`${this.#difference()}\n${logs.join('\n')}`, { cause: error })
    }
    // What was on its way is there, and crossing dials have come to their ends.
    await this.world.run({ forMs: 3_000 })
    assert.ok(this.#isConverged(), `does not stay converged: ${this.#difference()}`)
  }

  /** Once settled: every subscriber gets each message once, every group exactly one member's. */
  async checkDelivery(): Promise<void> {
    for (const account of ACCOUNTS) {
      for (const subject of SUBJECTS) {
        for (const hub of this.#hubs.values()) {
          const payload = this.#send(hub, account, subject)
          await this.world.run({ forMs: 1_000 })
          this.#checkOne(payload, account, subject)
        }
      }
    }
    this.check()
  }

  check(): void {
    const groups = new Map<string, string>()
    for (const member of this.#receivers) {
      const seen = new Set<string>()
      for (const { payload, subject } of member.peer.got) {
        const sent = this.#sent.get(payload)
        const what = `${payload} on ${subject} at ${member.hub}`
        assert.ok(sent !== undefined && sent.subject === subject, `${what} was never sent`)
        assert.equal(sent.account, member.account, `${what} came to a stranger`)
        assert.ok(!seen.has(payload), `${what} came twice`)
        seen.add(payload)
        if (member.queue === '') continue
        const key = `${payload} ${member.filter} ${member.queue}`
        // One group name on two filters is one group for a message that both match.
        const group = `${payload} ${member.queue}`
        assert.ok(!groups.has(group), `${key} came to two members of a group`)
        groups.set(group, member.hub)
      }
    }
  }

  destroy(): void {
    this.world.destroy()
  }

  async #startHub(place: Place): Promise<void> {
    const { name, region, routes, gateways } = place
    const node = this.world.node(name)
    const machine = node.isUp ? node.machine : this.world.restart(node)
    // Now and then a hub comes back without its store: another identity under its name.
    const kept = this.#random.below(4) === 0 ? undefined : this.#identities.get(name)
    const identity = kept ?? ServerIdentity.create(machine.random)
    this.#identities.set(name, identity)
    const boot = `boot-${++this.#boots}`
    const hub = new PeerHub({ machine, name, region, routes, gateways, identity, boot })
    this.#hubs.set(name, hub)
    await hub.mesh.start()
  }

  #crash(): void {
    const [hub] = this.#pickHub()
    if (hub === undefined || this.#hubs.size < 2) return
    const node = this.world.node(hub.name)
    this.world.crash(node, this.#random.below(2) === 0 ? 'power' : 'kill')
    this.#hubs.delete(hub.name)
    for (let i = this.#members.length - 1; i >= 0; i--) {
      if (this.#members[i]?.hub === hub.name) this.#members.splice(i, 1)
    }
  }

  async #restartOne(): Promise<void> {
    const place = this.#places.find(({ name }) => !this.#hubs.has(name))
    if (place !== undefined) await this.#startHub(place)
  }

  #subscribe(): void {
    const [hub] = this.#pickHub()
    if (hub === undefined || this.#members.length > 40) return
    const account = this.#pick(ACCOUNTS)
    const filter = this.#pick(FILTERS)
    const queue = this.#random.below(2) === 0 ? '' : this.#pick(GROUPS)
    this.#join(hub, account, filter, queue, hub.subscriber(filter, queue, account))
  }

  #join(hub: PeerHub, account: string, filter: string, queue: string, peer: RecordingPeer): void {
    const space = hub.space(account)
    const subscription = [...space.subscriptions()].find((it) => it.peer === peer)
    assert.ok(subscription !== undefined)
    const stop = (): void => space.unsubscribe(subscription)
    const member = { hub: hub.name, account, filter, queue, peer, stop }
    this.#members.push(member)
    this.#receivers.push(member)
  }

  /** Over all hubs, a message is stored by one of them at most: they are checked as a group. */
  #addStream(): void {
    const [hub] = this.#pickHub()
    const account = this.#pick(ACCOUNTS)
    const isStream = (it: Member): boolean =>
      it.queue === STREAM && it.hub === hub?.name && it.account === account
    if (hub === undefined || this.#members.some(isStream)) return
    this.#join(hub, account, CAPTURED, STREAM, hub.capture(CAPTURED, account))
  }

  #unsubscribe(): void {
    if (this.#members.length === 0) return
    const [member] = this.#members.splice(this.#random.below(this.#members.length), 1)
    member?.stop()
  }

  #publish(): void {
    const [hub] = this.#pickHub()
    if (hub !== undefined) this.#send(hub, this.#pick(ACCOUNTS), this.#pick(SUBJECTS))
  }

  #burst(): void {
    for (let i = 0; i < 30; i++) this.#publish()
  }

  #send(hub: PeerHub, account: string, subject: string): string {
    const payload = `m${++this.#messages}`
    this.#sent.set(payload, { account, subject })
    hub.publish(subject, payload, account)
    return payload
  }

  #checkOne(payload: string, account: string, subject: string): void {
    const members = this.#members.filter(
      (it) => it.account === account && isMatch(it.filter, subject),
    )
    const has = (member: Member): boolean => member.peer.got.some((it) => it.payload === payload)
    for (const member of members) {
      if (member.queue === '')
        assert.ok(has(member), `${payload} not at ${member.hub} ${member.filter}`)
    }
    for (const queue of [...GROUPS, STREAM]) {
      const group = members.filter((it) => it.queue === queue)
      const count = group.filter(has).length
      assert.equal(count, group.length === 0 ? 0 : 1, `${payload} on ${subject} for group ${queue}`)
    }
  }

  #isConverged(): boolean {
    return this.#difference() === ''
  }

  /** Which hub knows something else than it should; '' when all is right. */
  #difference(): string {
    for (const hub of this.#hubs.values()) {
      const others = [...this.#hubs.keys()].filter((name) => name !== hub.name).sort()
      if (hub.peers.join() !== others.join()) return `${hub.name} is linked with [${hub.peers}]`
      const wanted = others.flatMap((name) => this.#interestOf(name)).sort()
      const known = hub.interestOfPeers()
      if (known.join('|') !== wanted.join('|')) return `${hub.name} knows ${known}, not ${wanted}`
    }
    return ''
  }

  #interestOf(name: string): readonly string[] {
    const lines = this.#members
      .filter(({ hub }) => hub === name)
      .map((it) => `${it.account} ${it.filter} ${it.queue}`)
    return [...new Set(lines)]
  }

  #twoNodes(): [SimNode, SimNode] {
    const first = this.#random.below(this.#places.length)
    const second = (first + 1 + this.#random.below(this.#places.length - 1)) % this.#places.length
    const nodeAt = (index: number): SimNode => this.world.node(this.#places[index]?.name ?? '')
    return [nodeAt(first), nodeAt(second)]
  }

  #pickHub(): [PeerHub | undefined] {
    const hubs = [...this.#hubs.values()]
    return [hubs[this.#random.below(Math.max(1, hubs.length))]]
  }

  #pick(values: readonly string[]): string {
    return values[this.#random.below(values.length)] ?? ''
  }
}

/** Written as one would say it, apart from the code under test. */
function isMatch(filter: string, subject: string): boolean {
  const tokens = subject.split('.')
  const wanted = filter.split('.')
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return index < tokens.length
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false
  }
  return wanted.length === tokens.length
}
