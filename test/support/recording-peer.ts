import type {
  LinkKind,
  LinkPeer,
  Message,
  Peer,
  PeerKind,
  Subscription,
} from '../../shared/broker/index.ts'

/** What a peer was given, kept as text. */
export interface Recorded {
  readonly subject: string
  readonly shown: string
  readonly reply: string
  readonly headers: string
  readonly payload: string
  readonly sid: string
}

export function recorded(message: Message, sid: string): Recorded {
  return {
    subject: message.subject,
    shown: message.shownSubject,
    reply: message.reply,
    headers: Buffer.from(message.headers).toString(),
    payload: Buffer.from(message.payload).toString(),
    sid,
  }
}

/** A peer that keeps what it is given. */
export class RecordingPeer implements Peer {
  static #ids = 1_000_000
  readonly kind: PeerKind
  readonly id = RecordingPeer.#ids++
  readonly echo: boolean
  readonly got: Recorded[] = []
  onDeliver: ((subscription: Subscription, message: Message) => void) | undefined

  constructor(kind: PeerKind, echo = true) {
    this.kind = kind
    this.echo = echo
  }

  deliver(subscription: Subscription, message: Message): void {
    this.got.push(recorded(message, subscription.sid))
    this.onDeliver?.(subscription, message)
  }
}

export interface Forwarded extends Recorded {
  readonly plain: boolean
  readonly queues: readonly string[]
}

export class RecordingLink implements LinkPeer {
  static #ids = 2_000_000
  readonly kind: LinkKind
  readonly id = RecordingLink.#ids++
  readonly echo = true
  isUp = true
  readonly got: Forwarded[] = []

  constructor(kind: LinkKind) {
    this.kind = kind
  }

  deliver(): void {
    throw new Error('a link takes messages by forward')
  }

  forward(message: Message, plain: boolean, queues: readonly string[]): void {
    this.got.push({ ...recorded(message, ''), plain, queues: [...queues] })
  }
}
