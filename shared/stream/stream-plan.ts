import { SubjectPatterns } from '../subject/index.ts'
import type { StreamMode } from './config/stored-config.ts'
import type { StreamConfig } from './config/stream-config.ts'
import { updatedConfig } from './config/stream-update.ts'
import { refuseDetours } from './config/subject-checks.ts'
import { JetStreamError } from './jetstream-error.ts'
import { CLAIM_VISITS_MAX } from './limits.ts'
import type { Stream } from './stream.ts'
import type { StreamTable } from './stream-table.ts'

/** Several streams that are judged together before any of them is touched. */
export class StreamPlan {
  /** What each stream will be, by name: those that are as they shall be too. */
  readonly configs: ReadonlyMap<string, StreamConfig>
  /** In the order in which they are made: what is in one step does not depend on another of it. */
  readonly steps: readonly (readonly StreamConfig[])[]

  /** Throws JetStreamError: then one of them cannot be had. */
  constructor(
    wanted: readonly StreamConfig[],
    streams: ReadonlyMap<string, Stream>,
    streamsMax: number,
  ) {
    this.configs = new Map(wanted.map((config) => [config.name, config]))
    const all = [...this.configs.values()]
    const created = all.filter(({ name }) => !streams.has(name))
    const updated = all.filter((config) => {
      const own = streams.get(config.name)
      return own !== undefined && JSON.stringify(own.config) !== JSON.stringify(config)
    })
    if (created.length > 0 && streams.size + created.length > streamsMax) {
      throw new JetStreamError(10027)
    }
    for (const config of all) this.#check(config, streams.get(config.name))
    for (const config of [...created, ...updated]) {
      const ours = new SubjectPatterns(config.subjects)
      for (const [name, other] of streams) {
        if (!this.configs.has(name)) refuseShared(ours, other.claimedSubjects)
      }
      for (const other of all) {
        if (other.name !== config.name) refuseShared(ours, other.subjects)
      }
    }
    // Updates can take messages away: what may still fail, for want of disk, comes first. What gets a
    // subject of another stream has to wait until that one has let go of it.
    const waits = ({ subjects }: StreamConfig): boolean => {
      const ours = new SubjectPatterns(subjects)
      return updated.some(({ name }) => isShared(ours, streams.get(name)?.claimedSubjects ?? []))
    }
    this.steps = [created.filter((it) => !waits(it)), updated, created.filter(waits)]
  }

  #check(config: StreamConfig, existing: Stream | undefined): void {
    if (existing === undefined) return
    checkKind(existing, true)
    updatedConfig(existing.config, config)
  }
}

/** Throws 10058 when a buffer has the name of a stream that captures, or the other way round. */
export function checkKind(existing: Stream, isCapturing: boolean): void {
  if (existing.mode.isCapturing === isCapturing) return
  throw new JetStreamError(
    10058,
    'another kind of stream has this name: rename one of them, or remove the old one',
  )
}

/** Streams that a role manages are not a client's to change. Throws 10052. */
export function refuseManaged(stream: Stream): void {
  if (stream.mode.isCapturing) return
  throw new JetStreamError(
    10052,
    `stream ${stream.name} is managed by this server's configuration: change it there`,
  )
}

/**
 * Throws 10065 when another stream binds some of the same subjects, or is about to: those of one plan
 * have been held against each other.
 */
export function checkOverlap(
  { name, subjects }: StreamConfig,
  mode: StreamMode,
  table: StreamTable,
  plan: StreamPlan | undefined,
): void {
  const isPlanned = plan?.configs.has(name) === true
  const mayShare = (other: Stream): boolean =>
    other.name === name ||
    (mode.mayOverlap && other.mode.mayOverlap) ||
    (isPlanned && plan.configs.has(other.name))
  const claiming = table.claiming(subjects, CLAIM_VISITS_MAX)
  if (claiming === undefined) {
    // Wildcards that lead everywhere: then each stream is held against them by itself.
    const ours = new SubjectPatterns(subjects)
    for (const other of table.byName.values()) {
      if (!mayShare(other)) refuseShared(ours, other.claimedSubjects)
    }
  } else {
    for (const other of claiming) if (!mayShare(other)) throw new JetStreamError(10065)
  }
  if (isPlanned || plan === undefined) return
  const ours = new SubjectPatterns(subjects)
  for (const other of plan.configs.values()) refuseShared(ours, other.subjects)
}

function refuseShared(ours: SubjectPatterns, theirs: readonly string[]): void {
  if (isShared(ours, theirs)) throw new JetStreamError(10065)
}

function isShared(ours: SubjectPatterns, theirs: readonly string[]): boolean {
  return theirs.some((their) => {
    const isMet = ours.overlaps(their)
    refuseDetours(ours)
    return isMet
  })
}
