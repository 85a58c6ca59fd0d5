import {
  forwardAs,
  handOver,
  type LinkKind,
  type LinkPeer,
  type Message,
  type Peer,
  type Publication,
  refusalOf,
  type Subscription,
} from '../broker/index.ts'
import type { Random } from '../runtime/index.ts'
import { ImportPeer } from './import-peer.ts'
import { ImportedOrigin } from './imported-origin.ts'
import type { StreamImport } from './stream-import.ts'

/**
 * Stands in the exporting account for a subscription of an importing one, and hands it what matches
 * there under the subject that it has here. What came through a service is not exported again.
 */
export class LocalShadow extends ImportPeer {
  readonly kind = 'local'
  readonly id: number
  readonly stores: Peer['stores']
  readonly original: Subscription
  /** The importing account. */
  readonly #account: string
  readonly #source: StreamImport
  readonly #random: Random

  constructor(original: Subscription, account: string, source: StreamImport, random: Random) {
    super()
    this.id = original.peer.id
    this.stores = original.peer.stores
    this.original = original
    this.#account = account
    this.#source = source
    this.#random = random
  }

  offer(shadow: Subscription, message: Message): boolean {
    if (message.origin instanceof ImportedOrigin) return false
    const publication = renamed(message, this.#source, this.#random)
    const { trace } = message
    if (trace !== undefined) {
      trace.exported(this.#account, Buffer.from(publication.subject).toString())
      if (this.#source.config.allow_trace) {
        const { peer, queue, sid, weight, isCapture } = this.original
        const seen = { peer, subject: shadow.subject, queue, sid, weight, isCapture }
        trace.delivered(seen, this.#account, refusalOf(this.original, message))
      }
      if (trace.isOnly) return true
    }
    return handOver(this.original, message, publication)
  }
}

/** Stands for the subscriptions of a link: a link in this account too, so that the rules for links hold. */
export class LinkShadow extends ImportPeer implements LinkPeer {
  readonly kind: LinkKind
  readonly id: number
  readonly #link: LinkPeer
  readonly #account: string
  readonly #source: StreamImport
  readonly #random: Random

  constructor(link: LinkPeer, account: string, source: StreamImport, random: Random) {
    super()
    this.kind = link.kind
    this.id = link.id
    this.#link = link
    this.#account = account
    this.#source = source
    this.#random = random
  }

  get isUp(): boolean {
    return this.#link.isUp
  }

  offer(): boolean {
    return false
  }

  forward(message: Message, plain: boolean, queues: readonly string[], isToStore: boolean): void {
    if (message.origin instanceof ImportedOrigin) return
    const { trace } = message
    const publication = renamed(message, this.#source, this.#random)
    if (trace !== undefined) {
      trace.exported(this.#account, Buffer.from(publication.subject).toString())
      // The trace's destination is a subject of the other account: the trace ends here.
      if (trace.isOnly) return
    }
    forwardAs(this.#link, message, publication, plain, queues, isToStore)
  }
}

export function isLinked(peer: Peer): peer is LinkPeer {
  return peer.kind === 'leaf' || peer.kind === 'uplink'
}

function renamed(message: Message, source: StreamImport, random: Random): Publication {
  const { subjectBytes, shownBytes, replyBytes, headers, payload } = message
  const subject = source.keepsSubjects ? subjectBytes : source.subjectHere(subjectBytes, random)
  const parts = { subject, reply: replyBytes, headers, payload }
  return shownBytes === subjectBytes ? parts : { ...parts, shownSubject: shownBytes }
}
