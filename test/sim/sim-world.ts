import { SeededRandom } from '../../shared/runtime/index.ts'
import type { Machine } from '../../shared/server/index.ts'
import { SimClock, SimWallClock } from './sim-clock.ts'
import { SimDisk } from './sim-disk.ts'
import { SimFabric } from './sim-fabric.ts'
import type { LinkQuality } from './sim-link.ts'
import { type RunOptions, SimLoop } from './sim-loop.ts'
import { SimNetwork } from './sim-network.ts'

/** How a machine goes down: the power fails, or the process alone is killed and the system cleans up. */
export type CrashKind = 'power' | 'kill'

export interface SimWorldOptions {
  readonly seed: number
  /** Trace lines to keep and to show with errors. */
  readonly traceLines?: number
}

/**
 * A world of machines that one seed drives. Equal seeds give equal runs; compare `hash` to be sure.
 *
 *     const world = new SimWorld({ seed })
 *     const hub = world.node('hub'), leaf = world.node('leaf-1')
 *     start(hub.machine); start(leaf.machine)      // dial 'hub' from the leaf
 *     await world.run({ forMs: 5_000 })
 *     world.crash(leaf); start(world.restart(leaf))
 *     await world.run({ until: () => isInSync, forMs: 60_000, what: 'the leaf is in sync' })
 */
export class SimWorld {
  readonly seed: number
  readonly random: SeededRandom
  readonly #loop: SimLoop
  readonly #fabric: SimFabric
  readonly #nodes = new Map<string, SimNode>()

  constructor({ seed, traceLines = 0 }: SimWorldOptions) {
    this.seed = seed
    this.#loop = new SimLoop(seed, traceLines)
    const root = new SeededRandom(seed)
    this.random = root.fork()
    this.#fabric = new SimFabric(this.#loop, root.fork())
  }

  get nowMs(): number {
    return this.#loop.nowMs
  }

  /** Sums up everything that happened so far, in order. */
  get hash(): string {
    return this.#loop.hash
  }

  get events(): number {
    return this.#loop.events
  }

  get trace(): readonly string[] {
    return this.#loop.trace
  }

  get nodes(): readonly SimNode[] {
    return [...this.#nodes.values()]
  }

  get connections(): number {
    return this.#fabric.connections
  }

  /** The machine of that name, which is its host name too; it is made when it is first asked for. */
  node(name: string): SimNode {
    const known = this.#nodes.get(name)
    if (known !== undefined) return known
    const node = new SimNode(name, this.#loop, this.#fabric, this.random.fork())
    this.#nodes.set(name, node)
    this.#fabric.addHost(node)
    return node
  }

  /** Ends a machine's present incarnation: nothing that it waits for ever happens. */
  crash(node: SimNode, kind: CrashKind = 'power'): void {
    this.note(node.name, `crash ${kind}`)
    node.crash(kind)
    this.#fabric.crash(node.name, kind === 'kill')
  }

  /** A new incarnation with the disk that survived. A node that runs is crashed first. */
  restart(node: SimNode, kind: CrashKind = 'power'): Machine {
    if (node.isUp) this.crash(node, kind)
    this.note(node.name, 'restart')
    const machine = node.boot()
    this.#fabric.pump()
    return machine
  }

  /** Nothing passes between two nodes, and nobody is told. Data waits for `heal`. */
  partition(a: SimNode, b: SimNode): void {
    this.blockOneWay(a, b)
    this.blockOneWay(b, a)
  }

  /** Nothing passes from `from` to `to`: half-open for one side, stalled for the other. */
  blockOneWay(from: SimNode, to: SimNode): void {
    this.note(from.name, `blocked towards ${to.name}`)
    this.#fabric.link(from.name, to.name).block(from.name)
  }

  /** Ends all partitions between two nodes; between all when none are named. */
  heal(a?: SimNode, b?: SimNode): void {
    this.note('world', 'heal')
    if (a !== undefined && b !== undefined) this.#fabric.link(a.name, b.name).heal()
    else for (const link of this.#fabric.links) link.heal()
    this.#fabric.pump()
  }

  /** Resets all connections between two nodes; what was on its way is lost. New ones can be made. */
  cut(a: SimNode, b: SimNode): void {
    this.note(a.name, `cut from ${b.name}`)
    this.#fabric.cut(a.name, b.name)
  }

  setLink(a: SimNode, b: SimNode, quality: LinkQuality): void {
    this.#fabric.link(a.name, b.name).quality = quality
  }

  /** Calls `fn` at a time of the world, whatever node is up: for faults and load. */
  after(delayMs: number, fn: () => void): () => void {
    return this.#loop.after(delayMs, 'world', fn)
  }

  /** Adds a fact of the scenario to the trace and the hash. */
  note(source: string, fact: string): void {
    this.#loop.note(source, fact)
  }

  /** Lets time pass. Rejects when a node throws or `until` is not reached, naming seed and time. */
  run(options: RunOptions): Promise<void> {
    return this.#loop.run(options)
  }

  /** Takes all nodes down without a trace, so that the next world begins with an empty arena. */
  destroy(): void {
    for (const node of this.#nodes.values()) if (node.isUp) this.crash(node, 'power')
  }
}

/** A machine of the world. `machine` is its present incarnation; take it anew after a restart. */
export class SimNode {
  readonly name: string
  /** Survives crashes; jump it, or set it wrong. */
  readonly wall: SimWallClock
  /** Multiplies the time that each disk operation takes. */
  diskSlowness = 1
  readonly #loop: SimLoop
  readonly #fabric: SimFabric
  readonly #random: SeededRandom
  #incarnation: Incarnation | undefined
  #disk: SimDisk
  #isOn = true

  constructor(name: string, loop: SimLoop, fabric: SimFabric, random: SeededRandom) {
    this.name = name
    this.#loop = loop
    this.#fabric = fabric
    this.#random = random
    this.wall = new SimWallClock(loop)
    const time = random.fork()
    this.#disk = new SimDisk({
      random: random.fork(),
      turn: (call, path, fn) => {
        this.#loop.note(path, call)
        this.#loop.after(diskMs(call, time) * this.diskSlowness, `${name} ${call}`, fn)
      },
    })
    this.#incarnation = this.#begin()
  }

  /** Whether the machine is on; a killed one is on, without its process. */
  get isOn(): boolean {
    return this.#isOn
  }

  get isUp(): boolean {
    return this.#incarnation !== undefined
  }

  get machine(): Machine {
    if (this.#incarnation === undefined) throw new Error(`${this.name} is down: restart it first`)
    return this.#incarnation.machine
  }

  /** The disk, also while the machine is down. */
  get disk(): SimDisk {
    return this.#disk
  }

  crash(kind: CrashKind): void {
    const incarnation = this.#incarnation
    if (incarnation === undefined) return
    this.#incarnation = undefined
    this.#isOn = kind === 'kill'
    incarnation.clock.die()
    incarnation.network.die()
    this.#disk = kind === 'power' ? this.#disk.powerCut(this.#random) : this.#disk.kill()
  }

  boot(): Machine {
    this.#isOn = true
    this.#incarnation = this.#begin()
    return this.#incarnation.machine
  }

  #begin(): Incarnation {
    const clock = new SimClock(this.#loop, this.wall, this.name)
    const network = new SimNetwork(this.#fabric, this.name, clock, this.#random.fork())
    const machine = { clock, network, disk: this.#disk, random: this.#random.fork() }
    return { machine, clock, network }
  }
}

interface Incarnation {
  readonly machine: Machine
  readonly clock: SimClock
  readonly network: SimNetwork
}

/** An SD card on a good day, with a hiccup now and then. */
function diskMs(call: string, random: SeededRandom): number {
  const hiccup = random.below(200) === 0 ? 30 : 1
  const base =
    call === 'fdatasync' || call === 'fsync' ? 1 + 4 * random.float() : 0.05 + 0.2 * random.float()
  return base * hiccup
}
