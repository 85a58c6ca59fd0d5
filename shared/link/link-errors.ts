import {
  AUTHORIZATION_WAIT_MS,
  COME_BACK_MAX_S,
  DUPLICATE_WAIT_MS,
  LOOP_WAIT_MS,
  NAME_TAKEN_WAIT_MS,
  PERMISSION_WAIT_MS,
  SAME_CLUSTER_WAIT_MS,
  VERSION_WAIT_MS,
} from './limits.ts'

/**
 * The texts of -ERR on leaf links, as nats-server spells them, and what a soliciting side does about
 * them: how long it stays away, and what to tell whoever reads the log.
 */
export const AUTHORIZATION_VIOLATION = 'Authorization Violation'
export const AUTHENTICATION_TIMEOUT = 'Authentication Timeout'
export const STALE_CONNECTION = 'Stale Connection'
export const DUPLICATE_LEAF = 'Duplicate Remote LeafNode Connection'
export const SAME_CLUSTER = 'remote leafnode has same cluster name'
export const CLUSTER_HAS_SPACES = 'cluster name cannot contain spaces'
export const CLIENT_ON_LEAF_PORT = 'attempted to connect to leaf node port'
export const WRONG_PORT = 'attempted to connect to wrong port'
export const TOO_MANY_SUBSCRIPTIONS = 'maximum subscriptions exceeded'
export const TOO_MANY_LEAVES = 'maximum account active connections exceeded'
export const CONNECT_INFO_MISSING = 'Stale Leaf Node Connection - Closing'
export const NAME_TOO_LONG = 'server name is too long'
export const BAD_IDENTITY = 'Petiole identity cannot be verified'

const NAME_TAKEN = 'is taken by another'

export function loopDetected(account: string): string {
  return `Loop detected for leafnode account="${account}". Delaying attempt to reconnect for 30s`
}

export function publishViolation(subject: string): string {
  return `Permissions Violation for Publish to ${JSON.stringify(subject)}`
}

export function subscriptionViolation(subject: string): string {
  return `Permissions Violation for Subscription to ${JSON.stringify(subject)}`
}

export function gatewayOnLeafPort(gateway: string): string {
  return `Rejecting connection from gateway ${JSON.stringify(gateway)} on the leafnode port`
}

/** A refusal for a while: the soliciting side stays away for as long. Whole seconds, at least 1. */
export function comeBackIn(seconds: number): string {
  return `Come back in ${Math.max(1, Math.ceil(seconds))} s`
}

export function nameTaken(name: string, holder: string): string {
  return (
    `Leaf name ${JSON.stringify(name)} ${NAME_TAKEN} identity, ${holder}. Give this server its own server_name; ` +
    `if it replaces that one, stop that one first`
  )
}

/** JetStream domains are told apart by name alone: `$JS.<domain>.API` reaches whoever has it. */
export const DOMAIN_TAKEN_ADVICE =
  'requests to $JS.<domain>.API may be answered by the wrong one: give each server its own domain'

export interface Refusal {
  /** undefined: nothing speaks against an ordinary backoff. */
  readonly waitMs: number | undefined
  /** What to do about it; '' when there is nothing to say. */
  readonly advice: string
}

interface Reaction extends Refusal {
  /** Found in the -ERR text, whatever its case. */
  readonly part: string
}

const REACTIONS: readonly Reaction[] = [
  {
    part: 'loop detected',
    waitMs: LOOP_WAIT_MS,
    advice: 'the links of these servers form a ring: remove one remote of it',
  },
  {
    part: SAME_CLUSTER,
    waitMs: SAME_CLUSTER_WAIT_MS,
    advice:
      'give this server a server_name (or cluster name) that differs from the cluster it dials',
  },
  {
    part: 'minimum version',
    waitMs: VERSION_WAIT_MS,
    advice: 'the other side asks for a newer server: lower its min_version or update this one',
  },
  {
    part: 'permissions violation',
    waitMs: PERMISSION_WAIT_MS,
    advice: "widen the permissions of the remote's user on the other side",
  },
  {
    part: NAME_TAKEN,
    waitMs: NAME_TAKEN_WAIT_MS,
    advice: 'two servers use one server_name: rename this one',
  },
  {
    part: DUPLICATE_LEAF,
    waitMs: DUPLICATE_WAIT_MS,
    advice:
      'another process attached with the name and identity of this one: ' +
      'do two gateways run from a copy of one store directory?',
  },
  {
    part: AUTHORIZATION_VIOLATION,
    waitMs: AUTHORIZATION_WAIT_MS,
    advice: "check user and password in the remote's url against the other side's authorization",
  },
  {
    part: BAD_IDENTITY,
    waitMs: AUTHORIZATION_WAIT_MS,
    advice: 'something on the way changes bytes: is there a proxy that rewrites what it passes on?',
  },
  {
    part: 'maximum account active connections',
    waitMs: AUTHORIZATION_WAIT_MS,
    advice: 'the other side takes no more leaves: raise its limit',
  },
]

/** What to do about an -ERR from the accepting side. */
export function refusalOf(error: string): Refusal {
  const text = error.toLowerCase()
  const comeBack = /come back in (\d+) s/.exec(text)
  if (comeBack !== null) {
    const seconds = Math.min(Number(comeBack[1]), COME_BACK_MAX_S)
    return { waitMs: seconds * 1_000, advice: 'the other side is busy and named the time itself' }
  }
  const found = REACTIONS.find((reaction) => text.includes(reaction.part.toLowerCase()))
  return found ?? { waitMs: undefined, advice: '' }
}
