import assert from 'node:assert/strict'
import { Hub } from '../../hub/index.ts'
import { Leaf } from '../../leaf/index.ts'
import { type HubConfig, type LeafConfig, parseConfig } from '../../shared/config/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import type { SeededRandom } from '../../shared/runtime/index.ts'
import { LEAF_SEGMENT_BYTES, type StreamStore } from '../../shared/store/index.ts'
import { LAN, type SimNode, SimWorld } from './index.ts'
import { SimDevice, SimSensor } from './sim-sensor.ts'

/**
 * A hub and its leaves through a stretch of bad luck, and the check that follows: after the faults have ended, each
 * reading that a leaf acknowledged is at the hub exactly once, in order, and the ledger adds up.
 * Everything comes from the seed: how many leaves, how they publish, which faults strike and when.
 */

export interface ScenarioResult {
  readonly seed: number
  readonly hash: string
  readonly simulatedMs: number
  readonly acknowledged: number
  readonly stored: number
  readonly refused: number
  readonly faults: readonly string[]
}

const LEAVES_MAX = 3
const SENSORS_MAX = 3
const FAULTS_MAX = 6
const LOAD_MS = 2_000
const FAULT_LASTS_MS = 1_500
const RESTART_MS = 100
const DRAIN_MS = 300_000
/** Longer than a leaf waits that was told that the hub is full. */
const RETRY_MS = 12_000
const STREAM = 'plant'
const BALLAST = 'ballast'
const EMPTY = new Uint8Array(0)
const STORE_BYTES = 64 * 1024 * 1024
const DAY_MS = 86_400_000

interface Site<Role extends Hub | Leaf> {
  readonly node: SimNode
  readonly start: () => Promise<Role>
  running: Role | undefined
  /** Starts that failed because the disk was full or broken; they are tried again. */
  failedStarts: number
}

/** What stays the same over a leaf's starts. */
interface LeafHabits {
  readonly segmentBytes: number
  /** 0: no limit. */
  readonly quotaBytes: number
}

interface LeafSite extends Site<Leaf> {
  readonly habits: LeafHabits
  readonly sensors: readonly SimSensor[]
  device: SimDevice | undefined
}

export async function runScenario(
  seed: number,
  options: { traceLines?: number } = {},
): Promise<ScenarioResult> {
  const scenario = new Scenario(seed, options.traceLines ?? 0)
  try {
    return await scenario.run()
  } finally {
    scenario.world.destroy()
  }
}

class Scenario {
  readonly world: SimWorld
  readonly #random: SeededRandom
  readonly #seed: number
  readonly #hub: Site<Hub>
  /** What the hub's store may hold, as configured until the faults end; 0: no limit. */
  #hubQuotaBytes: number
  readonly #leaves: LeafSite[]
  readonly #faults: string[] = []
  #isLoading = true

  constructor(seed: number, traceLines: number) {
    this.#seed = seed
    this.world = new SimWorld({ seed, traceLines })
    this.#random = this.world.random.fork()
    const hubSegmentBytes = this.#segmentBytes()
    this.#hubQuotaBytes = this.#random.below(3) === 0 ? 30_000 + this.#random.below(600_000) : 0
    this.#hub = this.#site('hub', (node) => startHub(node, hubSegmentBytes, this.#hubQuotaBytes))
    const count = 1 + this.#random.below(LEAVES_MAX)
    this.#leaves = Array.from({ length: count }, (_, i) => this.#leafSite(`leaf-${i}`))
  }

  async run(): Promise<ScenarioResult> {
    const { world } = this
    for (const { node } of this.#leaves) world.setLink(node, this.#hub.node, this.#quality())
    for (const site of this.#sites) this.#start(site)
    for (const leaf of this.#leaves) this.#load(leaf)
    if (this.#hubQuotaBytes > 0) this.#loadHub()
    this.#planFaults()
    await world.run({ forMs: LOAD_MS })
    this.#isLoading = false
    // The last fault may have begun a moment ago: it runs its course before the fleet is judged.
    await world.run({ forMs: FAULT_LASTS_MS + RESTART_MS })
    if (this.#hubQuotaBytes > 0) {
      // There is room again, and the hub that had none goes on with what it remembers.
      this.#ballast()
        ?.purge({})
        .catch(() => {})
      await world.run({ forMs: RETRY_MS })
    }
    this.#endFaults()
    await world.run({
      until: () => this.#isDrained(),
      forMs: DRAIN_MS,
      what: 'every buffer is drained',
    })
    const readings = this.#readings()
    await world.run({ until: () => readings.isRead, forMs: 60_000, what: 'the stream is read' })
    return this.#check(readings.all)
  }

  get #sites(): readonly (Site<Hub> | Site<Leaf>)[] {
    return [this.#hub, ...this.#leaves]
  }

  #site<Role extends Hub | Leaf>(
    name: string,
    start: (node: SimNode) => Promise<Role>,
  ): Site<Role> {
    const node = this.world.node(name)
    return { node, start: () => start(node), running: undefined, failedStarts: 0 }
  }

  #leafSite(name: string): LeafSite {
    // Large enough, some of them, that what an outage leaves behind takes many batches.
    const payloadBytes = this.#random.below(3) === 0 ? this.#random.below(4_000) : 0
    const sensors = Array.from(
      { length: 1 + this.#random.below(SENSORS_MAX) },
      (_, i) => new SimSensor(`plant.${name}.s${i}`, payloadBytes),
    )
    const habits = {
      segmentBytes: this.#segmentBytes(),
      // One leaf in four has room for less than an outage brings.
      quotaBytes:
        this.#random.below(4) === 0 ? 2_000 + payloadBytes + this.#random.below(20_000) : 0,
    }
    const site = this.#site(name, (node) => startLeaf(node, habits))
    return { ...site, sensors, habits, device: undefined }
  }

  /** Small enough that a run seals, rewrites and removes segments, or as large as in real life. */
  #segmentBytes(): number {
    return this.#random.below(3) === 0 ? LEAF_SEGMENT_BYTES : 4_096 + this.#random.below(60_000)
  }

  #quality() {
    const isSlow = this.#random.below(3) === 0
    const delayMs = isSlow ? 20 + this.#random.float() * 200 : 0.2
    return isSlow
      ? { delayMs, jitterMs: delayMs / 3, bytesPerMs: 20 + this.#random.below(500) }
      : LAN
  }

  /** What a supervisor does: a server that could not start is started again. */
  #start(site: Site<Hub> | Site<Leaf>): void {
    const { machine } = site.node
    site.start().then(
      (running) => {
        if (site.node.isUp && site.node.machine === machine) site.running = running
      },
      () => {
        site.failedStarts++
        this.world.after(250, () => {
          if (site.node.isUp && site.node.machine === machine) this.#start(site)
        })
      },
    )
  }

  #load(leaf: LeafSite): void {
    const paceMs = 5 + this.#random.below(60)
    const tick = (): void => {
      if (!this.#isLoading) return
      const { running, node, sensors } = leaf
      if (running !== undefined && node.isUp) {
        if (leaf.device?.core !== running.core) leaf.device = new SimDevice(running.core)
        const burst = 1 + this.#random.below(4)
        for (const sensor of sensors) {
          for (let i = 0; i < burst; i++) sensor.publish(leaf.device)
        }
      }
      this.world.after(paceMs, tick)
    }
    tick()
  }

  /** Others use the hub's store too: what they keep and remove takes and gives room again and again. */
  #loadHub(): void {
    const ballast = Buffer.alloc(1_000 + this.#random.below(9_000))
    const tick = (): void => {
      if (!this.#isLoading) return
      const core = this.#hub.node.isUp ? this.#hub.running?.core : undefined
      const isPurging = this.#random.below(3) === 0
      if (isPurging)
        this.#ballast()
          ?.purge({})
          .catch(() => {})
      else if (core !== undefined) {
        const publication = { subject: Buffer.from(BALLAST), reply: EMPTY, headers: EMPTY }
        const device = new SimDevice(core)
        for (let i = 0; i < 8; i++) {
          core.space('$G').publish(device, { ...publication, payload: ballast })
        }
      }
      this.world.after(20 + this.#random.below(200), tick)
    }
    tick()
  }

  #ballast(): StreamStore | undefined {
    return this.#hub.running?.core.engine('$G').stream(BALLAST)?.store
  }

  #planFaults(): void {
    const count = 1 + this.#random.below(FAULTS_MAX)
    for (let i = 0; i < count; i++) {
      const leaf = this.#leaves[this.#random.below(this.#leaves.length)]!
      const site = this.#random.below(2) === 0 ? leaf : this.#hub
      const kinds = Object.keys(FAULTS)
      const name = kinds[this.#random.below(kinds.length)]!
      const atMs = this.#random.float() * LOAD_MS
      const lastsMs = this.#random.float() * FAULT_LASTS_MS
      this.world.after(atMs, () => {
        if (!this.#isLoading) return
        this.#faults.push(`${Math.round(atMs)} ms ${name} ${site.node.name}`)
        FAULTS[name]!(this.#hands(site, leaf), lastsMs)
      })
    }
  }

  #hands(site: Site<Hub> | Site<Leaf>, leaf: Site<Leaf>): Hands {
    const { world } = this
    const crash = (kind: 'power' | 'kill', downMs: number): void => {
      if (!site.node.isUp) return
      site.running = undefined
      world.crash(site.node, kind)
      world.after(downMs, () => {
        if (!site.node.isUp) {
          world.restart(site.node)
          this.#start(site)
        }
      })
    }
    return {
      world,
      node: site.node,
      leaf: leaf.node,
      hub: this.#hub.node,
      random: this.#random,
      crash,
    }
  }

  #endFaults(): void {
    this.world.heal()
    for (const site of this.#sites) {
      site.node.disk.quotaBytes = Number.POSITIVE_INFINITY
      site.node.diskSlowness = 1
    }
    if (this.#hubQuotaBytes > 0) this.#raiseHubQuota()
  }

  /** What an operator does about a full hub: a new configuration, and a restart. */
  #raiseHubQuota(): void {
    this.#hubQuotaBytes = 0
    this.#faults.push('hub quota')
    this.#hub.running = undefined
    this.world.crash(this.#hub.node, 'kill')
    this.world.restart(this.#hub.node)
    this.#start(this.#hub)
  }

  #isDrained(): boolean {
    const hub = this.#hub.running
    if (hub === undefined || this.#leaves.some(({ running }) => running === undefined)) return false
    return this.#leaves.every(
      ({ running, device }) =>
        running?.backlogMessages === 0 && (device?.core !== running.core || device.pending === 0),
    )
  }

  #readings(): { isRead: boolean; all: { subject: string; reading: number }[] } {
    const result = { isRead: false, all: [] as { subject: string; reading: number }[] }
    const store = this.#hub.running?.core.engine('$G').stream(STREAM)?.store
    assert.ok(store)
    const readOn = async (fromSeq: number): Promise<void> => {
      const { messages, nextSeq } = await store.read({
        fromSeq,
        messagesMax: 10_000,
        bytesMax: 1024 * 1024,
      })
      for (const { subject, payload } of messages) {
        result.all.push({ subject, reading: Number(Buffer.from(payload).toString()) })
      }
      if (nextSeq <= store.state.lastSeq) return readOn(nextSeq)
      result.isRead = true
      return undefined
    }
    void readOn(1)
    return result
  }

  #check(all: readonly { subject: string; reading: number }[]): ScenarioResult {
    const where = `seed=${this.#seed} faults: ${this.#faults.join(', ')}`
    const lines = this.#hub.running?.audit() ?? []
    let acknowledged = 0
    let refused = 0
    for (const leaf of this.#leaves) {
      const evicted = lines
        .filter((line) => line.leaf === leaf.node.name)
        .reduce((sum, line) => sum + line.evicted, 0)
      let missing = 0
      for (const sensor of leaf.sensors) {
        const numbers = all
          .filter(({ subject }) => subject === sensor.subject)
          .map(({ reading }) => reading)
        const isRising = numbers.every((n, i) => i === 0 || n > numbers[i - 1]!)
        assert.ok(isRising, `${sensor.subject}: once and in order; ${where}`)
        const seen = new Set(numbers)
        missing += [...sensor.acknowledged].filter((n) => !seen.has(n)).length
        acknowledged += sensor.acknowledged.size
        refused += sensor.refused
      }
      if (leaf.habits.quotaBytes === 0) assert.equal(evicted, 0, `nothing is evicted; ${where}`)
      const what = `${leaf.node.name}: acknowledged, not at the hub, not evicted; ${where}`
      assert.ok(missing <= evicted, `${missing} of ${evicted} ${what}`)
    }
    for (const line of lines) {
      assert.ok(line.isBalanced, `the ledger of ${line.leaf} adds up; ${where}`)
      assert.equal(line.lost, 0, `nothing of ${line.leaf} is lost; ${where}`)
    }
    const stored = lines.reduce((sum, line) => sum + line.stored, 0)
    assert.equal(all.length, stored, `the ledger and the stream agree; ${where}`)
    return {
      seed: this.#seed,
      hash: this.world.hash,
      simulatedMs: Math.round(this.world.nowMs),
      acknowledged,
      stored,
      refused,
      faults: this.#faults,
    }
  }
}

interface Hands {
  readonly world: SimWorld
  readonly node: SimNode
  readonly leaf: SimNode
  readonly hub: SimNode
  readonly random: SeededRandom
  crash(kind: 'power' | 'kill', downMs: number): void
}

const FAULTS: Readonly<Record<string, (hands: Hands, lastsMs: number) => void>> = {
  powerCut: ({ crash }, lastsMs) => crash('power', lastsMs),
  kill: ({ crash }, lastsMs) => crash('kill', lastsMs / 4),
  cut: ({ world, leaf, hub }) => world.cut(leaf, hub),
  partition({ world, leaf, hub }, lastsMs) {
    world.partition(leaf, hub)
    world.after(lastsMs, () => world.heal(leaf, hub))
  },
  stalledUp({ world, leaf, hub }, lastsMs) {
    world.blockOneWay(leaf, hub)
    world.after(lastsMs, () => world.heal(leaf, hub))
  },
  stalledDown({ world, leaf, hub }, lastsMs) {
    world.blockOneWay(hub, leaf)
    world.after(lastsMs, () => world.heal(leaf, hub))
  },
  diskFull({ world, node, random }, lastsMs) {
    node.disk.quotaBytes = random.below(STORE_BYTES / 64)
    world.after(lastsMs, () => {
      node.disk.quotaBytes = Number.POSITIVE_INFINITY
    })
  },
  slowDisk({ world, node, random }, lastsMs) {
    node.diskSlowness = 2 + random.below(50)
    world.after(lastsMs, () => {
      node.diskSlowness = 1
    })
  },
  clockJump({ node, random }) {
    node.wall.jump((random.float() - 0.5) * 2 * 365 * DAY_MS)
  },
  /** Fail-stop: the server refuses writes from here on, and its supervisor restarts the machine. */
  failedSync({ world, node, crash }, lastsMs) {
    node.disk.faults.syncs = 1
    world.after(lastsMs, () => {
      node.disk.faults.syncs = 0
      crash('power', RESTART_MS)
    })
  },
}

function hubConfig(quotaBytes: number): HubConfig {
  return parseConfig(
    {
      server_name: 'hub',
      host: 'hub',
      port: 4222,
      jetstream: { store_dir: '/data/store', domain: 'hub', max_file: quotaBytes },
      websocket: { host: 'hub', port: 8443, no_tls: true },
      fleet: {
        streams: { [STREAM]: { subjects: ['plant.>'] }, [BALLAST]: { subjects: [BALLAST] } },
      },
    },
    'hub',
  )
}

function leafConfig(name: string, quotaBytes: number): LeafConfig {
  return parseConfig(
    {
      server_name: name,
      host: name,
      port: 4223,
      jetstream: { store_dir: '/data/store', domain: name },
      leafnodes: { remotes: [{ url: 'ws://hub:8443' }] },
      buffers: { telemetry: { subjects: ['plant.>'], max_bytes: quotaBytes } },
    },
    'leaf',
  )
}

const VERSION = '0.0.0-sim'

const COMMON = { log: silentLog, version: VERSION, frontDoors: [] }

function startHub({ machine }: SimNode, segmentBytes: number, quotaBytes: number): Promise<Hub> {
  return Hub.start({ ...COMMON, config: hubConfig(quotaBytes), machine, segmentBytes })
}

function startLeaf({ name, machine }: SimNode, habits: LeafHabits): Promise<Leaf> {
  const { segmentBytes, quotaBytes } = habits
  return Leaf.start({ ...COMMON, config: leafConfig(name, quotaBytes), machine, segmentBytes })
}
