import type {
  AccountSpace,
  LinkPeer,
  Message,
  Publication,
  Subscription,
} from '../../shared/broker/index.ts'
import type { Random } from '../../shared/runtime/index.ts'
import { isFromLeaf } from '../../shared/sync/index.ts'

export interface LinkFaults {
  /** Chances, from 0 to 1. */
  loss: number
  duplication: number
  /** Delay of each message, uniform between these; unequal delays reorder. */
  delayMinMs: number
  delayMaxMs: number
  /** What is larger is dropped without a word. */
  bytesMax?: number
}

const PAYLOAD_BYTES_MAX = Number.POSITIVE_INFINITY

type After = (delayMs: number, run: () => void) => void

/**
 * A leaf link that carries interest and messages between two routers of one process, and treats the
 * messages worse than any real one: it loses, doubles and reorders them.
 */
export class FaultyLink {
  readonly faults: LinkFaults = { loss: 0, duplication: 0, delayMinMs: 1, delayMaxMs: 1 }
  carried = 0
  readonly #leafName: string
  readonly #after: After
  readonly #random: Random
  #ends: readonly [LinkEnd, LinkEnd] | undefined
  #epoch = 0

  constructor(leafName: string, random: Random, after: After) {
    this.#leafName = leafName
    this.#random = random
    this.#after = after
  }

  /** @param withholds subjects that the leaf does not send live */
  up(leaf: AccountSpace, hub: AccountSpace, withholds: (subject: string) => boolean): void {
    this.down()
    const epoch = this.#epoch
    const carry = (to: () => LinkEnd, message: Publication): void => this.#carry(epoch, to, message)
    const atLeaf: LinkEnd = new LinkEnd('uplink', leaf, (message) => {
      if (!withholds(Buffer.from(message.subject).toString())) carry(() => atHub, message)
    })
    const atHub: LinkEnd = new LinkEnd('leaf', hub, (message) => {
      if (!isFromLeaf(message.headers, this.#leafName)) carry(() => atLeaf, message)
    })
    atLeaf.mirror(hub)
    atHub.mirror(leaf)
    this.#ends = [atLeaf, atHub]
  }

  down(): void {
    this.#epoch++
    for (const end of this.#ends ?? []) end.close()
    this.#ends = undefined
  }

  #carry(epoch: number, to: () => LinkEnd, message: Publication): void {
    const { loss, duplication, delayMinMs, delayMaxMs, bytesMax = PAYLOAD_BYTES_MAX } = this.faults
    const copies = this.#random.float() < duplication ? 2 : 1
    for (let i = 0; i < copies; i++) {
      if (this.#random.float() < loss || message.payload.length > bytesMax) continue
      const delayMs = delayMinMs + this.#random.float() * (delayMaxMs - delayMinMs)
      this.#after(delayMs, () => {
        if (epoch !== this.#epoch) return
        this.carried++
        to().arrive(message)
      })
    }
  }
}

let nextId = 1_000

class LinkEnd implements LinkPeer {
  readonly kind: 'leaf' | 'uplink'
  readonly id = nextId++
  readonly echo = false
  readonly isUp = true
  readonly #space: AccountSpace
  readonly #send: (message: Publication) => void
  readonly #mirrored = new Map<Subscription, Subscription>()
  #stop: () => void = () => {}

  constructor(kind: 'leaf' | 'uplink', space: AccountSpace, send: (message: Publication) => void) {
    this.kind = kind
    this.#space = space
    this.#send = send
  }

  /** Follows the interest on the other side. */
  mirror(other: AccountSpace): void {
    const added = (theirs: Subscription): void => {
      if (theirs.isCapture || theirs.peer.kind === 'leaf' || theirs.peer.kind === 'uplink') return
      const { subject } = theirs
      this.#mirrored.set(theirs, this.#space.subscribe(this, { subject }))
    }
    const removed = (theirs: Subscription): void => {
      const own = this.#mirrored.get(theirs)
      if (own !== undefined) this.#space.unsubscribe(own)
      this.#mirrored.delete(theirs)
    }
    for (const theirs of [...other.subscriptions()]) added(theirs)
    this.#stop = other.observe({ subscriptionAdded: added, subscriptionRemoved: removed })
  }

  forward(message: Message): void {
    this.#send({
      subject: message.subjectBytes.slice(),
      reply: Buffer.from(message.reply),
      headers: message.headers.slice(),
      payload: message.payload.slice(),
    })
  }

  deliver(): void {
    throw new Error('a link is forwarded to')
  }

  /** Both sides of the wire know the queue groups in this test: the one of ingest. */
  arrive(message: Publication): void {
    this.#space.publish(this, message, { queues: ['petiole-fleet'] })
  }

  close(): void {
    this.#stop()
    for (const own of this.#mirrored.values()) this.#space.unsubscribe(own)
    this.#mirrored.clear()
  }
}
