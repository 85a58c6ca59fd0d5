import { VIOLATIONS, type Violation } from './violation.ts'

/**
 * The topic aliases that a peer has set on one connection, as the topics they stand for. They are not
 * carried to another connection [MQTT-3.3.2-7]. Room is taken for those that come, not for all there may be.
 */
export class InboundAliases<Topic extends object> {
  readonly #max: number
  readonly #topics: (Topic | undefined)[] = []

  /** @param max what was announced as Topic Alias Maximum; all up to it are accepted [MQTT-3.3.2-12] */
  constructor(max: number) {
    this.#max = max
  }

  /** The alias stands for the topic from now on. */
  set(alias: number, topic: Topic): Violation | undefined {
    if (alias > this.#max) return VIOLATIONS.topicAliasTooHigh
    while (this.#topics.length < alias) this.#topics.push(undefined)
    this.#topics[alias - 1] = topic
    return undefined
  }

  get(alias: number): Topic | Violation {
    if (alias > this.#max) return VIOLATIONS.topicAliasTooHigh
    return this.#topics[alias - 1] ?? VIOLATIONS.topicAliasUnknown
  }
}

/** An alias for a topic that goes out, and whether the receiver knows it already. */
export interface OutboundAlias {
  /** 0: the topic goes out as it is. */
  alias: number
  isKnown: boolean
}

/**
 * The aliases that are set at a peer, as many as it takes at most [MQTT-3.3.2-11]. When all are in use,
 * the one that was set first is given to the next topic. Topics are told apart as objects, so that
 * nothing is compared: whoever remembers topics hands out the same one.
 */
export class OutboundAliases<Topic extends object> {
  readonly #max: number
  readonly #aliases = new Map<Topic, number>()
  readonly #topics: Topic[] = []
  #eldest = 0
  readonly #answer: OutboundAlias = { alias: 0, isKnown: false }

  /** @param max the peer's Topic Alias Maximum, or less; at 0 there are none [MQTT-3.1.2-27] */
  constructor(max: number) {
    this.#max = max
  }

  /** The answer holds until the next call. */
  of(topic: Topic): Readonly<OutboundAlias> {
    const answer = this.#answer
    const known = this.#aliases.get(topic)
    answer.isKnown = known !== undefined
    answer.alias = known ?? (this.#max === 0 ? 0 : this.#assign(topic))
    return answer
  }

  #assign(topic: Topic): number {
    let index = this.#topics.length
    if (index < this.#max) {
      this.#topics.push(topic)
    } else {
      index = this.#eldest
      this.#eldest = (this.#eldest + 1) % this.#max
      const replaced = this.#topics[index]
      if (replaced !== undefined) this.#aliases.delete(replaced)
      this.#topics[index] = topic
    }
    this.#aliases.set(topic, index + 1)
    return index + 1
  }
}
