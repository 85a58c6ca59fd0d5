/** `mqtt { remotes }`: brokers that this server is a client of. */
import * as v from 'valibot'
import { block, oneOrMore } from './block.ts'
import { readBrokerUrl } from './remote-url.ts'
import { tls } from './tls-schema.ts'
import { topicFilterFault, topicPrefixFault } from './topic-rule.ts'
import {
  count,
  duration,
  flag,
  limit,
  oneOf,
  type Reading,
  reading,
  shown,
  size,
  text,
  tokenName,
  urlList,
  word,
} from './values.ts'

const SECOND_MS = 1_000
const KEEP_ALIVE_MAX_MS = 65_535 * SECOND_MS
/** The next value stands for a session that never ends. */
const SESSION_EXPIRY_MAX_MS = 0xffff_fffe * SECOND_MS

function topicFilter() {
  return reading<string>((input) => topicText(input, topicFilterFault))
}

function topicPrefix() {
  return reading<string>((input) => topicText(input, topicPrefixFault))
}

function topicText(input: unknown, faultOf: (text: string) => string | undefined): Reading<string> {
  if (typeof input !== 'string') return { fault: `must be a string, not ${shown(input)}` }
  const fault = faultOf(input)
  return fault === undefined ? { value: input } : { fault }
}

/** Exactly once ends at the broker anyway: between two sessions there is at least once. */
function qos() {
  return reading<0 | 1>((input) => {
    if (input === 0 || input === 1) return { value: input }
    return { fault: `must be 0 or 1, not ${shown(input)}` }
  })
}

/** It is one of a list in a header. */
function viaName() {
  return reading<string>((input) => {
    if (typeof input === 'string' && /^[^\s,]+$/.test(input)) return { value: input }
    return { fault: `must be a name without spaces and commas, not ${shown(input)}` }
  })
}

function version() {
  return reading<'auto' | '5' | '3.1.1'>((input) => {
    const written = String(input).toLowerCase()
    if (written === 'auto' || written === '5' || written === '3.1.1') return { value: written }
    return { fault: `must be 5, 3.1.1 or auto, not ${shown(input)}` }
  })
}

const bridgedTopics = block(
  {
    filter: topicFilter(),
    qos: v.optional(qos(), 1),
    prefix: v.optional(topicPrefix(), ''),
    remote_prefix: v.optional(topicPrefix(), ''),
  },
  { aliases: { topic: 'filter', local_prefix: 'prefix' }, shorthand: 'filter' },
)

const topics = oneOrMore(bridgedTopics, 'must be a list of topic filters like ["plant/#"]')

export const mqttRemote = block(
  {
    name: v.optional(tokenName()),
    url: v.optional(urlList(readBrokerUrl)),
    client_id: v.optional(text(), ''),
    user: v.optional(text()),
    password: v.optional(text()),
    account: v.optional(word()),
    subscribe: v.optional(topics, []),
    publish: v.optional(topics, []),
    tls: v.optional(tls),
    keep_alive: v.optional(duration(SECOND_MS, KEEP_ALIVE_MAX_MS), '30s'),
    version: v.optional(version(), 'auto'),
    session_expiry: v.optional(duration(SECOND_MS, SESSION_EXPIRY_MAX_MS)),
    via: v.optional(viaName()),
    max_bytes: v.optional(size(), '256MB'),
    max_msgs: v.optional(limit(), 0),
    max_age: v.optional(duration(), 0),
    discard: v.optional(oneOf('old', 'new'), 'old'),
    max_inflight: v.optional(count(1, 65_535), 64),
    reconnect: v.optional(duration(100), '1s'),
    dial_timeout: v.optional(duration(100), '5s'),
    disabled: v.optional(flag(), false),
  },
  {
    aliases: {
      urls: 'url',
      clientid: 'client_id',
      username: 'user',
      pass: 'password',
      keepalive: 'keep_alive',
    },
  },
)

export const mqttRemotes = v.array(mqttRemote, 'must be a list of remotes')

export type BridgedTopicsFile = v.InferOutput<typeof bridgedTopics>
export type MqttRemoteFile = v.InferOutput<typeof mqttRemote>
