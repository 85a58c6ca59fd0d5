import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs'
import * as path from 'node:path'
import { benchFolder } from './results.ts'

export interface FloorShape {
  /** As many are written at a time. */
  readonly inFlight: number
  readonly messages: number
  readonly bytesPerMessage: number
}

/**
 * Messages a second of a server that takes no time itself and loses none, on this disk: with so many in flight it can
 * bring no more to disk at a time, and must wait for that before it is sent the next ones. Nothing is done but synced writes.
 */
export function diskFloor({ inFlight, messages, bytesPerMessage }: FloorShape): number {
  const folder = benchFolder()
  const { O_CREAT, O_DSYNC, O_WRONLY } = constants
  const file = openSync(path.join(folder, 'floor'), O_CREAT | O_DSYNC | O_WRONLY)
  try {
    const commit = Buffer.alloc(inFlight * bytesPerMessage, 'x')
    const commits = Math.ceil(messages / inFlight)
    const startedMs = performance.now()
    for (let i = 0; i < commits; i++) writeSync(file, commit)
    return (commits * inFlight * 1_000) / (performance.now() - startedMs)
  } finally {
    closeSync(file)
    rmSync(folder, { recursive: true, force: true })
  }
}
