import type { MonitorSources } from './facts.ts'
import { given } from './given.ts'
import type { Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'
import { durationText, timeText } from './text.ts'

export interface LeafzOptions {
  readonly subs: boolean
  /** '': of all. */
  readonly account: string
}

export function leafzQuery(query: Query): LeafzOptions {
  return { subs: query.flag('subs'), account: query.text('acc') }
}

export function leafzFields(fields: RequestFields): LeafzOptions {
  return { subs: fields.flag('subscriptions'), account: fields.text('account') }
}

/** `/leafz`: leaf links, of those that dialled us and of those that we dialled. */
export function leafz(sources: MonitorSources, options: LeafzOptions, nowMs: number): object {
  const { account } = options
  const links = [...sources.links()].filter((link) => account === '' || link.account === account)
  return {
    server_id: sources.server().id,
    now: timeText(nowMs),
    leafnodes: links.length,
    leafs: links.map((link) => ({
      id: link.id,
      name: link.name,
      is_spoke: link.isSpoke,
      ...given({ is_isolated: link.isIsolated }),
      account: link.account,
      ip: link.ip,
      port: link.port,
      rtt: durationText(link.roundTripMs),
      in_msgs: link.inMessages,
      out_msgs: link.outMessages,
      in_bytes: link.inBytes,
      out_bytes: link.outBytes,
      subscriptions: link.subscriptions,
      ...(options.subs ? given({ subscriptions_list: link.subjects() }) : {}),
      compression: 'off',
    })),
  }
}
