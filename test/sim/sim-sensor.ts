import type { Message, Peer, Subscription } from '../../shared/broker/index.ts'
import type { ServerCore } from '../../shared/server/index.ts'

/**
 * A device of a simulated leaf: numbers its readings, publishes each once, and remembers which the
 * leaf said are on disk. What is on its way when the leaf goes down stays unknown and is not sent again.
 */
export class SimSensor {
  readonly subject: string
  readonly acknowledged = new Set<number>()
  refused = 0
  readonly #payloadBytes: number
  #sent = 0

  /** @param payloadBytes that a reading has at least: it is filled up with blanks */
  constructor(subject: string, payloadBytes = 0) {
    this.subject = subject
    this.#payloadBytes = payloadBytes
  }

  get sent(): number {
    return this.#sent
  }

  publish(device: SimDevice): void {
    const reading = ++this.#sent
    const publication = {
      subject: Buffer.from(this.subject),
      reply: EMPTY,
      headers: EMPTY,
      payload: Buffer.from(String(reading).padEnd(this.#payloadBytes)),
    }
    device.pending++
    device.core.space('$G').publish(device, publication, {
      committed: (error) => {
        device.pending--
        if (error === undefined) this.acknowledged.add(reading)
        else this.refused++
      },
    })
  }
}

/** The peer that a leaf's sensors publish through, for one start of the leaf. */
export class SimDevice implements Peer {
  readonly kind = 'mqtt'
  readonly echo = false
  readonly id: number
  readonly core: ServerCore
  /** Published and neither acknowledged nor refused. */
  pending = 0

  constructor(core: ServerCore) {
    this.core = core
    this.id = core.nextPeerId()
  }

  deliver(_subscription: Subscription, _message: Message): void {}
}

const EMPTY = new Uint8Array(0)
