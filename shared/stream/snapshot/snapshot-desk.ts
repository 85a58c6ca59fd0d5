/** STREAM.SNAPSHOT and STREAM.RESTORE of one account: what is on its way out and in, and what is told of it. */
import type { Log } from '../../log/index.ts'
import { type Clock, messageOf, Tasks } from '../../runtime/index.ts'
import type { Advisories } from '../advisories.ts'
import type { ApiLevel } from '../api/api-level.ts'
import { streamInfo, streamState } from '../api/stream-info.ts'
import type { StreamRequest } from '../config/stream-request.ts'
import { NO_BYTES } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import {
  SNAPSHOT_CHUNK_BYTES,
  SNAPSHOT_CHUNK_BYTES_MAX,
  SNAPSHOT_CHUNK_BYTES_MIN,
  SNAPSHOT_WINDOW_BYTES,
  SNAPSHOT_WINDOW_BYTES_MAX,
  SNAPSHOTS_MAX,
} from '../limits.ts'
import type { StreamPort } from '../port.ts'
import type { Stream } from '../stream.ts'
import { formatTime } from '../timestamp.ts'
import type { RestoreHost } from './restore-host.ts'
import { type RestoreEnd, RestoreSession } from './restore-session.ts'
import { RestoreSink } from './restore-sink.ts'
import { SnapshotSender } from './snapshot-sender.ts'
import { snapshotOf } from './snapshot-source.ts'

export interface SnapshotDeskParts {
  readonly account: string
  readonly port: StreamPort
  readonly clock: Clock
  readonly log: Log
  readonly advisories: Advisories
  readonly level: ApiLevel
  readonly host: RestoreHost
  /** Characters that nobody guesses. */
  readonly newToken: () => string
}

export interface SnapshotRequest {
  readonly deliverSubject: string
  /** 0: as usual. */
  readonly chunkBytes: number
  readonly windowBytes: number
  readonly hasConsumers: boolean
}

/** Who asked, as advisories tell it. */
export type Requester = Readonly<Record<string, unknown>> | undefined

const RESTORED_TYPE = 'io.nats.jetstream.api.v1.stream_create_response'

export class SnapshotDesk {
  readonly #parts: SnapshotDeskParts
  readonly #tasks: Tasks
  readonly #restores = new Set<RestoreSession>()
  #snapshots = 0

  constructor(parts: SnapshotDeskParts) {
    this.#parts = parts
    this.#tasks = new Tasks((task, error) =>
      parts.log.error({ task, err: messageOf(error) }, 'backup failed'),
    )
  }

  /** Begins in the next turn of the loop, when the request has been answered. Throws 10167. */
  snapshot(stream: Stream, request: SnapshotRequest, client: Requester): void {
    if (this.#snapshots >= SNAPSHOTS_MAX) throw new JetStreamError(10167)
    this.#snapshots++
    this.#tasks.run(`snapshot ${stream.name}`, async (signal) => {
      try {
        await this.#send(stream, request, client, signal)
      } finally {
        this.#snapshots--
      }
    })
  }

  /**
   * Returns the subject that the backup is to be sent to. Throws what forbids such a stream.
   * @param state as it was when the backup was made
   */
  restore(request: StreamRequest, state: unknown, client: Requester): string {
    const { host, clock, port, account, newToken, advisories } = this.#parts
    const config = host.reserve(request)
    const subject = `$JS.SNAPSHOT.RESTORE.${config.name}.${newToken()}${newToken()}`
    const startMs = clock.wallMs()
    const sink = new RestoreSink(host, config, clock, state)
    const session: RestoreSession = new RestoreSession({
      port,
      clock,
      title: `${account} > ${config.name}`,
      subject,
      sink,
      onEnd: (end) => {
        this.#restores.delete(session)
        this.#tasks.run(`restore ${config.name}`, () =>
          this.#restored(config.name, sink, end, startMs, client),
        )
      },
    })
    this.#restores.add(session)
    advisories.publish(`STREAM.RESTORE_CREATE.${config.name}`, 'restore_create', {
      stream: config.name,
      client: client ?? null,
    })
    return subject
  }

  /** Stops what is under way; what came in by halves is removed. */
  async close(): Promise<void> {
    for (const session of this.#restores) session.abort('server shutdown')
    await this.#tasks.destroy()
  }

  async #send(
    stream: Stream,
    request: SnapshotRequest,
    client: Requester,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, port, log, advisories, newToken } = this.#parts
    await new Promise<void>((resolve) => clock.soon(resolve))
    const { name } = stream
    const start = formatTime(clock.wallMs())
    const about = { stream: name, client: client ?? null }
    advisories.publish(`STREAM.SNAPSHOT_CREATE.${name}`, 'snapshot_create', {
      ...about,
      state: streamState(stream),
    })
    const chunkBytes = within(
      request.chunkBytes || SNAPSHOT_CHUNK_BYTES,
      SNAPSHOT_CHUNK_BYTES_MIN,
      SNAPSHOT_CHUNK_BYTES_MAX,
    )
    const windowBytes = within(
      request.windowBytes || SNAPSHOT_WINDOW_BYTES,
      chunkBytes,
      SNAPSHOT_WINDOW_BYTES_MAX,
    )
    const sender = new SnapshotSender(port, clock, {
      deliverSubject: request.deliverSubject,
      ackPrefix: `$JS.SNAPSHOT.ACK.${name}.${newToken()}${newToken()}`,
      chunkBytes,
      windowChunks: Math.floor(windowBytes / chunkBytes),
    })
    const { hasConsumers } = request
    const settled = (): Promise<void> => this.#parts.host.settled()
    const pieces = snapshotOf(stream, clock, { hasConsumers, settled })
    const problem = await sender.send(pieces, signal)
    advisories.publish(`STREAM.SNAPSHOT_COMPLETE.${name}`, 'snapshot_complete', {
      ...about,
      start,
      end: formatTime(clock.wallMs()),
      ...(problem === undefined ? {} : { error: problem }),
    })
    if (problem !== undefined) log.warn({ stream: name, err: problem }, 'snapshot failed')
  }

  async #restored(
    name: string,
    sink: RestoreSink,
    { outcome, reply, bytes }: RestoreEnd,
    startMs: number,
    client: Requester,
  ): Promise<void> {
    const { clock, port, log, advisories, level } = this.#parts
    if ('error' in outcome) {
      log.warn({ stream: name, err: outcome.error.message }, 'restore failed')
      await sink.abandon()
    } else if (sink.lost !== undefined) {
      log.error({ stream: name, ...sink.lost }, 'backup restored without what is damaged in it')
    }
    const nowMs = clock.wallMs()
    advisories.publish(`STREAM.RESTORE_COMPLETE.${name}`, 'restore_complete', {
      stream: name,
      start: formatTime(startMs),
      end: formatTime(nowMs),
      bytes,
      client: client ?? null,
    })
    if (reply === undefined) return
    const body = 'error' in outcome ? outcome : restoredInfo(outcome.stream, sink, level, nowMs)
    const answer = JSON.stringify({ type: RESTORED_TYPE, ...body })
    port.publish(reply, '', NO_BYTES, Buffer.from(answer))
  }
}

function restoredInfo(stream: Stream, { lost }: RestoreSink, level: ApiLevel, nowMs: number) {
  const info = streamInfo(stream, '', level, nowMs)
  return lost === undefined ? info : { ...info, state: { ...streamState(stream), lost } }
}

function within(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
