import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { freePorts } from '../support/free-ports.ts'
import { PetioleProcess } from '../support/petiole-process.ts'
import { benchFolder, ROOT } from './results.ts'

const POLL_MS = 20

/** A hub and a leaf as operators run them, with nothing between them, in a folder of their own. */
export class FleetPair {
  readonly hub: PetioleProcess
  readonly leaf: PetioleProcess
  readonly hubPort: number
  readonly mqttPort: number
  readonly #folder: string

  private constructor(folder: string, ports: readonly number[]) {
    const [hub = 0, websocket = 0, leaf = 0, mqtt = 0] = ports
    this.#folder = folder
    this.hubPort = hub
    this.mqttPort = mqtt
    const hubConf = path.join(folder, 'hub.conf')
    const leafConf = path.join(folder, 'leaf.conf')
    writeFileSync(hubConf, hubConfiguration(folder, hub, websocket))
    writeFileSync(leafConf, leafConfiguration(folder, leaf, mqtt, websocket))
    this.hub = new PetioleProcess('hub', ['hub', '-c', hubConf], serviceFlags('hub'))
    this.leaf = new PetioleProcess('leaf', ['leaf', '-c', leafConf], serviceFlags('leaf'))
  }

  static async create(): Promise<FleetPair> {
    return new FleetPair(benchFolder(), await freePorts(4))
  }

  async destroy(): Promise<void> {
    await Promise.all([this.hub.kill(), this.leaf.kill()])
    rmSync(this.#folder, { recursive: true, force: true })
  }

  connectHub(): Promise<NatsConnection> {
    return connect({ servers: `127.0.0.1:${this.hubPort}`, reconnect: false })
  }

  /** Waits until the hub's stream has `messages`; the times of the first and of the last, on this clock. */
  async arrival(
    messages: number,
    deadlineMs: number,
  ): Promise<{ firstMs: number; lastMs: number }> {
    const connection = await this.connectHub()
    const endMs = performance.now() + deadlineMs
    let firstMs = 0
    try {
      const manager = await jetstreamManager(connection)
      for (;;) {
        const { state } = await manager.streams.info('bench')
        const nowMs = performance.now()
        if (state.messages === 0) firstMs = nowMs
        if (state.messages >= messages) return { firstMs, lastMs: nowMs }
        if (nowMs > endMs) throw new Error(`${state.messages} of ${messages} arrived in time`)
        await delay(POLL_MS)
      }
    } finally {
      await connection.close()
    }
  }
}

/** What the service that we ship gives to Node: figures are of what people run. */
function serviceFlags(role: 'hub' | 'leaf'): string[] {
  const unit = readFileSync(path.join(ROOT, `deploy/petiole-${role}.service`), 'utf8')
  return /^ExecStart=\S+ ((?:--\S+ )*)/m.exec(unit)?.[1]?.trim().split(' ').filter(Boolean) ?? []
}

/** Resident memory now and at its peak, in MiB; the peak is 0 where the system does not tell. */
export function memoryOf(pid: number): { rssMiB: number; peakMiB: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const kib = (key: string): number => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1])
    return { rssMiB: Math.round(kib('VmRSS') / 1024), peakMiB: Math.round(kib('VmHWM') / 1024) }
  } catch {
    const kib = Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }))
    return { rssMiB: Math.round(kib / 1024), peakMiB: 0 }
  }
}

function hubConfiguration(folder: string, port: number, websocket: number): string {
  return `server_name: hub-bench
host: "127.0.0.1"
port: ${port}
jetstream { store_dir: "${folder}/hub", domain: "hub-bench" }
websocket { host: "127.0.0.1", port: ${websocket}, no_tls: true }
fleet { streams { bench: { subjects: ["bench.>"] } } }
`
}

function leafConfiguration(folder: string, port: number, mqtt: number, websocket: number): string {
  return `server_name: leaf-bench
host: "127.0.0.1"
port: ${port}
jetstream { store_dir: "${folder}/leaf", domain: "leaf-bench" }
leafnodes { remotes: [ { url: "ws://127.0.0.1:${websocket}" } ] }
mqtt { host: "127.0.0.1", port: ${mqtt} }
buffers { telemetry: { subjects: ["bench.>"], max_bytes: 10GB } }
`
}
