import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { SystemClock, SystemDisk, SystemRandom } from '../../shared/runtime/index.ts'
import { FaultyLink } from '../support/faulty-link.ts'
import {
  bufferConfig,
  leafIdentity,
  SyncHub,
  SyncLeaf,
  type SyncMachine,
} from '../support/sync-world.ts'

export interface DrainFigures {
  readonly messages: number
  readonly payloadBytes: number
  readonly seconds: number
  readonly messagesPerSecond: number
}

/**
 * Drains a backlog from a leaf's store to a hub's, both in this process: all of the sync protocol and
 * both stores with their syncs, but no sockets. The upper bound for what two processes reach.
 */
export async function benchDrain(messages: number, payloadBytes: number): Promise<DrainFigures> {
  const folder = await mkdtemp(path.join(tmpdir(), 'petiole-drain-'))
  const machine = (name: string): SyncMachine => ({
    clock: new SystemClock(),
    random: new SystemRandom(),
    disk: new SystemDisk(),
    directory: path.join(folder, name),
  })
  const buffers = [bufferConfig('telemetry', ['plant.>'])]
  const leaf = await SyncLeaf.start({
    machine: machine('leaf'),
    identity: leafIdentity('press-7'),
    buffers,
  })
  const streams = { plant: ['plant.>'] }
  const hub = await SyncHub.start({ machine: machine('hub'), home: 'hub-eu', streams })
  try {
    await fill(leaf, messages, payloadBytes)
    const link = new FaultyLink('press-7', new SystemRandom(), (_delayMs, run) =>
      queueMicrotask(run),
    )
    const startedMs = performance.now()
    link.up(leaf.core.space, hub.core.space, (subject) => leaf.buffers.isBuffered(subject))
    await drained(leaf)
    const seconds = (performance.now() - startedMs) / 1_000
    link.down()
    return { messages, payloadBytes, seconds, messagesPerSecond: Math.round(messages / seconds) }
  } finally {
    await leaf.destroy()
    await hub.destroy()
    await rm(folder, { recursive: true, force: true })
  }
}

async function fill(leaf: SyncLeaf, messages: number, payloadBytes: number): Promise<void> {
  const payload = Buffer.alloc(payloadBytes, 120)
  const { store } = leaf.buffers.all[0]!
  const subjects = Array.from({ length: 100 }, (_, i) => Buffer.from(`plant.line${i % 10}.s${i}`))
  const headers = Buffer.alloc(0)
  for (let sent = 0; sent < messages; ) {
    const end = Math.min(messages, sent + 50_000)
    await new Promise<void>((resolve) => {
      for (; sent < end; sent++) {
        const isLast = sent === end - 1
        store.append(subjects[sent % 100]!, headers, payload, isLast ? () => resolve() : undefined)
      }
    })
  }
}

function drained(leaf: SyncLeaf): Promise<void> {
  const buffer = leaf.buffers.all[0]!
  return new Promise((resolve) => {
    const look = (): void => {
      if (buffer.syncedSeq >= buffer.store.state.lastSeq) resolve()
      else setTimeout(look, 5)
    }
    look()
  })
}
