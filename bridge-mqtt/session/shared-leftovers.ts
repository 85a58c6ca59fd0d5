/**
 * What the members of a shared subscription have not acknowledged when their connections end, where their
 * sessions end with those. The server should send it to another member: at QoS 1 always, at QoS 2 as long as it
 * was not sent [MQTT-4.8.2-5]. A sent message is in the window by its identifier alone, so one that came by a
 * shared subscription is copied.
 */
import type { Message, Peer, PublishCommitted, SubjectSpace } from '../../shared/broker/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import { loggedHeaders } from '../headers/index.ts'
import {
  LEFTOVERS_PER_TURN,
  LEFTOVERS_RETRY_MS,
  LEFTOVERS_TRIES,
  SHARED_COPIES_BYTES_MAX,
} from '../limits.ts'

/** A message as another member of its group may get it. */
export interface SharedCopy {
  readonly group: string
  readonly subject: Uint8Array
  readonly reply: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** With which it was published. */
  readonly qos: number
  /** What was left of its time then, -1 when it does not expire. */
  readonly messageExpiry: number
  /** By the monotonic clock; 0 when it does not expire. */
  readonly copiedMs: number
}

const SECOND_MS = 1_000

export function sharedCopy(
  group: string,
  message: Message,
  { qos, messageExpiry }: { readonly qos: number; readonly messageExpiry: number },
  clock: Clock,
): SharedCopy {
  return {
    group,
    subject: new Uint8Array(message.subjectBytes),
    reply: new Uint8Array(message.replyBytes),
    headers: new Uint8Array(message.headers),
    payload: new Uint8Array(message.payload),
    ...{ qos, messageExpiry },
    copiedMs: messageExpiry < 0 ? 0 : clock.monotonicMs(),
  }
}

/** Of messages of QoS 1 that one client has in flight, as far as there is room. */
export class InflightCopies {
  readonly #byPacketId = new Map<number, SharedCopy>()
  #bytes = 0

  get all(): Iterable<SharedCopy> {
    return this.#byPacketId.values()
  }

  set(packetId: number, copy: SharedCopy): void {
    const size = sizeOf(copy)
    if (this.#bytes + size > SHARED_COPIES_BYTES_MAX) return
    this.#bytes += size
    this.#byPacketId.set(packetId, copy)
  }

  delete(packetId: number): void {
    const copy = this.#byPacketId.get(packetId)
    if (copy === undefined) return
    this.#byPacketId.delete(packetId)
    this.#bytes -= sizeOf(copy)
  }
}

export interface LeftoversParts {
  readonly space: SubjectSpace
  readonly peerId: number
  readonly clock: Clock
}

/**
 * Gives each to one member of its group that is there when it has its turn, or to nobody. A member that stores it may
 * find that it is not on disk after all: nobody has it then, and it is given to somebody a while later, a few times.
 */
export function handOver(
  copies: readonly SharedCopy[],
  parts: LeftoversParts,
  triesLeft = LEFTOVERS_TRIES,
): void {
  const { peerId, clock } = parts
  // Nobody's own message: whose it was is not known any more.
  const origin: Peer = { kind: 'mqtt', id: peerId, echo: true, deliver: () => {} }
  let refused: SharedCopy[] = []
  const tryAgain = (copy: SharedCopy): void => {
    refused.push(copy)
    if (refused.length > 1) return
    clock.after(LEFTOVERS_RETRY_MS, () => {
      const left = refused
      refused = []
      handOver(left, parts, triesLeft - 1)
    })
  }
  let at = 0
  const takeTurn = (): void => {
    for (const copy of copies.slice(at, at + LEFTOVERS_PER_TURN)) {
      publish(copy, origin, parts, (error) => {
        if (error !== undefined && triesLeft > 1) tryAgain(copy)
      })
    }
    at += LEFTOVERS_PER_TURN
    if (at < copies.length) clock.soon(takeTurn)
  }
  clock.soon(takeTurn)
}

function publish(
  copy: SharedCopy,
  origin: Peer,
  { space, clock }: LeftoversParts,
  committed: PublishCommitted,
): void {
  const { group, subject, reply, payload, qos, messageExpiry, copiedMs } = copy
  const waited = messageExpiry < 0 ? 0 : Math.floor((clock.monotonicMs() - copiedMs) / SECOND_MS)
  const expirySeconds = messageExpiry < 0 ? -1 : messageExpiry - waited
  if (messageExpiry >= 0 && expirySeconds <= 0) return
  const facts = { qos, isRetain: false, from: '', replyTopic: undefined, expirySeconds }
  const headers = loggedHeaders(copy.headers, facts)
  const choices = { queues: [group], isForGroupsOnly: true, capture: false, committed }
  space.publish(origin, { subject, reply, headers, payload }, choices)
}

function sizeOf({ subject, reply, headers, payload }: SharedCopy): number {
  return subject.length + reply.length + headers.length + payload.length
}
