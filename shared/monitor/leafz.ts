import type { MonitorSources } from './facts.ts'
import type { Query } from './query.ts'
import { durationText, timeText } from './text.ts'

/** `/leafz`: leaf links, of those that dialled us and of those that we dialled. */
export function leafz(sources: MonitorSources, query: Query, nowMs: number): object {
  const account = query.text('acc')
  const links = [...sources.links()].filter((link) => account === '' || link.account === account)
  return {
    server_id: sources.server().id,
    now: timeText(nowMs),
    leafnodes: links.length,
    leafs: links.map((link) => ({
      id: link.id,
      name: link.name,
      is_spoke: link.isSpoke,
      account: link.account,
      ip: link.ip,
      port: link.port,
      ...(link.roundTripMs === undefined ? {} : { rtt: durationText(link.roundTripMs) }),
      in_msgs: link.inMessages,
      out_msgs: link.outMessages,
      in_bytes: link.inBytes,
      out_bytes: link.outBytes,
      subscriptions: link.subjects.length,
      ...(query.flag('subs') ? { subscriptions_list: link.subjects } : {}),
      compression: 'off',
    })),
  }
}
