import { PetioleError, type Random } from '../../shared/runtime/index.ts'
import type { DialOptions, ListenOptions } from '../../shared/transport/index.ts'
import { SimLink } from './sim-link.ts'
import type { SimLoop } from './sim-loop.ts'
import { SimPipe } from './sim-pipe.ts'
import { SimWire, type WireEnd } from './sim-wire.ts'

const EPHEMERAL_PORT_FIRST = 40_000

/** A machine as the others see it. */
export interface FabricHost {
  readonly name: string
  readonly isOn: boolean
}

export interface FabricListener {
  readonly protocol: 'tcp' | 'websocket'
  readonly onWire: (wire: SimWire) => void
}

/** What a dial came to; `silence` when nobody answers, and the dialler must try again or give up. */
export type DialAnswer = { readonly wire: SimWire } | { readonly error: string } | 'silence'

interface Connection {
  readonly link: SimLink
  readonly wires: readonly [SimWire, SimWire]
  readonly hosts: readonly [string, string]
  readonly pipes: readonly [SimPipe, SimPipe]
}

/** All cables and switches of a world: links between hosts, open ports, live connections. */
export class SimFabric {
  readonly #loop: SimLoop
  readonly #random: Random
  readonly #hosts = new Map<string, FabricHost>()
  readonly #links = new Map<string, SimLink>()
  readonly #listeners = new Map<string, FabricListener>()
  #connections = new Set<Connection>()
  #lastPort = EPHEMERAL_PORT_FIRST

  constructor(loop: SimLoop, random: Random) {
    this.#loop = loop
    this.#random = random
  }

  get connections(): number {
    return this.#connections.size
  }

  addHost(host: FabricHost): void {
    this.#hosts.set(host.name, host)
  }

  link(a: string, b: string): SimLink {
    const key = a < b ? `${a} ${b}` : `${b} ${a}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const link = new SimLink()
    this.#links.set(key, link)
    return link
  }

  get links(): Iterable<SimLink> {
    return this.#links.values()
  }

  freePort(): number {
    return ++this.#lastPort
  }

  listen(
    host: string,
    { port, protocol }: ListenOptions,
    onWire: (wire: SimWire) => void,
  ): () => void {
    const key = `${host}:${port}`
    if (this.#listeners.has(key)) {
      const message = `port ${port} on ${host} is taken by another process`
      throw new PetioleError('PETIOLE_PORT_TAKEN', message)
    }
    const listener = { protocol, onWire }
    this.#listeners.set(key, listener)
    return () => {
      if (this.#listeners.get(key) === listener) this.#listeners.delete(key)
    }
  }

  /** One attempt to connect, at the moment when it reaches the other host. */
  connect(from: string, to: string, options: DialOptions): DialAnswer {
    const target = this.#hosts.get(to)
    if (target === undefined) return { error: `getaddrinfo ENOTFOUND ${to}` }
    const link = this.link(from, to)
    if (!target.isOn || !link.isOpen(from) || !link.isOpen(to)) return 'silence'
    const listener = this.#listeners.get(`${to}:${options.port}`)
    if (listener === undefined) return { error: `connect ECONNREFUSED ${to}:${options.port}` }
    if (listener.protocol !== options.protocol)
      return { error: 'the other side speaks another protocol' }
    const [dialled, accepted] = this.#join(from, to, options, link)
    listener.onWire(accepted)
    return { wire: dialled }
  }

  /** Every connection between two hosts is lost, and both sides learn of it. */
  cut(a: string, b: string): void {
    for (const { hosts, wires } of this.#connections) {
      if (!hosts.includes(a) || !hosts.includes(b)) continue
      for (const wire of wires) this.#later('cut', 0, 50, () => wire.reset())
    }
  }

  /** A host's connections die with it. Its peers learn of it by a reset, or not at all. */
  crash(host: string, peersNotice: boolean): void {
    for (const [key] of this.#listeners) {
      if (key.startsWith(`${host}:`)) this.#listeners.delete(key)
    }
    for (const { hosts, wires } of this.#connections) {
      for (const [i, wire] of wires.entries()) {
        if (hosts[i] !== host) continue
        wire.die()
        if (peersNotice) this.#resetPeer(hosts[i] ?? '', hosts[1 - i] ?? '', wires[1 - i])
      }
    }
    this.pump()
  }

  /** Looks at every connection again: a link was healed, a machine is back. */
  pump(): void {
    for (const connection of this.#connections) {
      if (connection.wires.every((wire) => wire.isOver)) this.#connections.delete(connection)
      else for (const pipe of connection.pipes) pipe.pump()
    }
  }

  #join(
    from: string,
    to: string,
    options: DialOptions,
    link: SimLink,
  ): readonly [SimWire, SimWire] {
    const there = new SimPipe(this.#loop, this.#random, link, from, to)
    const back = new SimPipe(this.#loop, this.#random, link, to, from)
    const kind = options.protocol
    const path = kind === 'tcp' ? '' : options.path
    const port = this.freePort()
    const here = { local: from, localPort: port, remote: to, remotePort: options.port }
    const mirrored = { local: to, localPort: options.port, remote: from, remotePort: port }
    const dialled = this.#wire({ kind, path, ...here }, back, there, () => accepted)
    const accepted = this.#wire({ kind, path, ...mirrored }, there, back, () => dialled)
    there.join(dialled, accepted)
    back.join(accepted, dialled)
    this.pump()
    this.#connections.add({
      link,
      wires: [dialled, accepted],
      hosts: [from, to],
      pipes: [there, back],
    })
    return [dialled, accepted]
  }

  #wire(end: WireEnd, incoming: SimPipe, outgoing: SimPipe, peer: () => SimWire): SimWire {
    return new SimWire(
      this.#loop,
      this.#random,
      end,
      { incoming, outgoing },
      {
        isMachineOn: () => this.#hosts.get(end.local)?.isOn ?? false,
        resetPeer: () => this.#resetPeer(end.local, end.remote, peer()),
      },
    )
  }

  #resetPeer(from: string, to: string, peer: SimWire | undefined): void {
    const link = this.link(from, to)
    this.#later('reset', link.quality.delayMs, link.quality.jitterMs, () => {
      if (link.isOpen(from)) peer?.reset()
    })
  }

  #later(source: string, delayMs: number, jitterMs: number, run: () => void): void {
    this.#loop.after(delayMs + this.#random.float() * jitterMs, source, run)
  }
}
