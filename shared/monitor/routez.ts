import { subsOf, subsOfFields } from './connz.ts'
import type { MonitorSources, RouteFacts } from './facts.ts'
import { given } from './given.ts'
import type { Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'
import { clientSubscription } from './subsz.ts'
import { durationText, timeText, uptimeText } from './text.ts'

export interface RoutezOptions {
  readonly subs: 'no' | 'subjects' | 'detail'
}

export function routezQuery(query: Query): RoutezOptions {
  return { subs: subsOf(query) }
}

export function routezFields(fields: RequestFields): RoutezOptions {
  return { subs: subsOfFields(fields) }
}

/** `/routez`: the other hubs of the region. */
export function routez(sources: MonitorSources, options: RoutezOptions, nowMs: number): object {
  const { id, name } = sources.server()
  const routes = [...sources.routes()]
  return {
    server_id: id,
    server_name: name,
    now: timeText(nowMs),
    num_routes: routes.length,
    routes: routes.map((facts) => route(facts, options, nowMs)),
  }
}

function route(facts: RouteFacts, { subs }: RoutezOptions, nowMs: number): object {
  const list = subs === 'no' ? [] : facts.subscriptionList()
  return {
    rid: facts.id,
    remote_id: facts.remoteId,
    remote_name: facts.remoteName,
    did_solicit: facts.isSolicited,
    is_configured: facts.isConfigured,
    ip: facts.ip,
    port: facts.port,
    start: timeText(facts.startedMs),
    last_activity: timeText(facts.lastActivityMs),
    rtt: durationText(facts.roundTripMs),
    uptime: uptimeText(nowMs - facts.startedMs),
    idle: uptimeText(nowMs - facts.lastActivityMs),
    pending_size: facts.pendingBytes,
    in_msgs: facts.inMessages,
    out_msgs: facts.outMessages,
    in_bytes: facts.inBytes,
    out_bytes: facts.outBytes,
    subscriptions: facts.subscriptions,
    ...given({
      subscriptions_list: subs === 'subjects' ? list.map(({ subject }) => subject) : undefined,
      subscriptions_list_detail: subs === 'detail' ? list.map(clientSubscription) : undefined,
      account: facts.account,
    }),
    compression: 'off',
  }
}
