/**
 * What was done for whoever is served right now, in units of some fifty nanoseconds: who looks at it
 * next begins anew. Estimates suffice, since they only say when to look at the clock (see TurnShare). There is
 * one for the process, which serves one at a time.
 */
export const work = { units: 0 }

/** After so much the clock is looked at. */
export const UNITS_PER_LOOK = 4_096

/** What each thing counts for; a receiver visited is one unit, whether it takes the message or not. */
export const WORK_UNITS = {
  /** One subscription made or ended in a space: tree, routes, observers. */
  interestChange: 100,
  /** One line of any kind that is answered, refused or told on. */
  line: 20,
  /** One login, or an attempt at it. */
  login: 400,
  /** One receiver that is neither a client nor a link: a stream, a service, an MQTT session. */
  local: 256,
  link: 20,
  /** One message of a link, beside what its routing counts for: many clients' may be in one read. */
  linkMessage: 4,
  /** One node of the tree of subjects that was looked at. */
  node: 2,
  /** One request that goes from account to account. */
  serviceImport: 400,
  /** One message that is traced, or looked into for that. */
  trace: 1_000,
} as const

/** Of a message that is at least so large its copies count too: two to this power of bytes in one unit. */
export const LARGE_BYTES = 2_048
export const BYTES_PER_UNIT_SHIFT = 9
