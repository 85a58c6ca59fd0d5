import type { Message } from '../../shared/broker/index.ts'
import { MessageFacts, NO_HEADERS, QOS1_HEADERS, QOS2_HEADERS } from '../headers/index.ts'
import type { Translator } from '../translator.ts'
import type { SharedCopy } from './shared-leftovers.ts'

const NO_IDS: readonly number[] = []

/** One PUBLISH to one client, filled for each: what is sent later is kept otherwise (`KeptMessage`). */
export class OutboundMessage {
  topic: Uint8Array = NO_HEADERS
  payload: Uint8Array = NO_HEADERS
  qos = 0
  isRetain = false
  /** What is left of its time in seconds, -1 when it does not expire. */
  messageExpiry = -1
  /** Properties that are the same for all receivers, encoded; empty for none. */
  shared: Uint8Array = NO_HEADERS
  subscriptionIds: readonly number[] = NO_IDS
  /** The queue group that it came by, '' for none: what waits may be judged anew. */
  group = ''
  /** Of the router's message: others with the same are the same message. 0 for none. */
  serial = 0
  /** For another one, when it came by a shared subscription and the client goes first. */
  copy: SharedCopy | undefined = undefined
}

const facts = new MessageFacts()
let serialRead = 0

/**
 * What a message of the router says beside topic and payload, found out once for all its receivers. The
 * answer holds until the next call of either function.
 */
export function factsOf(message: Message, translator: Translator): MessageFacts {
  if (message.serial === serialRead) return facts
  const reply = message.replyBytes
  facts.read(message.headers, reply.length === 0 ? undefined : translator.topicOf(reply))
  serialRead = message.serial
  return facts
}

/** The same of a message that was stored, whose reply is one of its headers. */
export function factsOfStored(headers: Uint8Array): MessageFacts {
  facts.readUnchanging(headers)
  serialRead = 0
  return facts
}

/** Whether a message has nothing but topic, payload and QoS for its receivers. */
export function isPlain(headers: Uint8Array): boolean {
  return headers.length === 0 || headers === QOS1_HEADERS || headers === QOS2_HEADERS
}
