/** All routes of the API, and which of them a subject means. */
import { ACCOUNT_ROUTES } from './account-api.ts'
import type { ApiRoute } from './api-context.ts'
import { CLUSTER_ROUTES } from './cluster-api.ts'
import { CONSUMER_ROUTES } from './consumer-api.ts'
import { MESSAGE_ROUTES } from './message-api.ts'
import { SNAPSHOT_ROUTES } from './snapshot-api.ts'
import { STREAM_ROUTES } from './stream-api.ts'

export const TYPE_PREFIX = 'io.nats.jetstream.api.v1.'

const ROUTES: ReadonlyMap<string, ApiRoute> = new Map([
  ...Object.entries(ACCOUNT_ROUTES),
  ...Object.entries(STREAM_ROUTES),
  ...Object.entries(CONSUMER_ROUTES),
  ...Object.entries(MESSAGE_ROUTES),
  ...Object.entries(CLUSTER_ROUTES),
  ...Object.entries(SNAPSHOT_ROUTES),
])

/** The `type` of all answers of a route. */
export function typeOf(route: ApiRoute): string {
  return `${TYPE_PREFIX}${route.type}_response`
}

/** The longest route whose tokens begin the subject, with the tokens left over. */
export function findRoute(
  tokens: readonly string[],
): { route: ApiRoute; args: readonly string[] } | undefined {
  for (let length = Math.min(3, tokens.length); length > 0; length--) {
    const name = tokens.slice(0, length).join('.')
    const args = tokens.slice(length)
    const route = ROUTES.get(name)
    if (route !== undefined && fits(route, args.length)) return { route, args }
  }
  return undefined
}

function fits(route: ApiRoute, args: number): boolean {
  return route.isOpen ? args >= route.args : args === route.args
}

/** Those that only ask, of which there may be more, or fewer, than of the others. */
const ASKING: ReadonlySet<string> = new Set([
  'account_info',
  'stream_names',
  'stream_list',
  'stream_info',
  'consumer_names',
  'consumer_list',
  'consumer_info',
])

export function isAsking({ type }: ApiRoute): boolean {
  return ASKING.has(type)
}
