import { connection } from './connz.ts'
import type { GatewayLinkFacts, MonitorSources } from './facts.ts'
import { given } from './given.ts'
import type { Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'
import { timeText } from './text.ts'

export interface GatewayzOptions {
  /** '': all. */
  readonly gateway: string
  readonly accounts: boolean
  /** '': all; a name implies `accounts`. */
  readonly account: string
}

export function gatewayzQuery(query: Query): GatewayzOptions {
  return {
    gateway: query.text('gw_name'),
    accounts: query.flag('accs'),
    account: query.text('acc_name'),
  }
}

export function gatewayzFields(fields: RequestFields): GatewayzOptions {
  return {
    gateway: fields.text('name'),
    accounts: fields.flag('accounts'),
    account: fields.text('account_name'),
  }
}

/** `/gatewayz`: the other regions, and the connections to and from them. */
export function gatewayz(sources: MonitorSources, options: GatewayzOptions, nowMs: number): object {
  const facts = sources.gateways()
  const wanted = (links: readonly GatewayLinkFacts[] = []): readonly GatewayLinkFacts[] =>
    links.filter(({ gateway }) => options.gateway === '' || gateway === options.gateway)
  const inbound = new Map<string, object[]>()
  for (const link of wanted(facts?.inbound)) {
    const list = inbound.get(link.gateway)
    if (list === undefined) inbound.set(link.gateway, [remote(link, options, nowMs)])
    else list.push(remote(link, options, nowMs))
  }
  return {
    server_id: sources.server().id,
    now: timeText(nowMs),
    ...given({ name: facts?.name, host: facts?.listen.host, port: facts?.listen.port }),
    outbound_gateways: Object.fromEntries(
      wanted(facts?.outbound).map((link) => [link.gateway, remote(link, options, nowMs)]),
    ),
    inbound_gateways: Object.fromEntries(inbound),
  }
}

function remote(link: GatewayLinkFacts, options: GatewayzOptions, nowMs: number): object {
  return {
    configured: link.isConfigured,
    connection: connection(connectionOf(link), { auth: false, subs: 'no' }, nowMs, []),
    ...given({ accounts: accountsOf(link, options) }),
  }
}

/** Interest is told as it is, never guessed: each account is in nats-server's interest-only mode. */
function accountsOf(link: GatewayLinkFacts, { accounts, account }: GatewayzOptions): object[] {
  if (!accounts && account === '') return []
  return link
    .accounts()
    .filter(({ name }) => account === '' || name === account)
    .map(({ name, subscriptions, queueSubscriptions }) => ({
      name,
      interest_mode: 'Interest-Only',
      ...given({
        num_subs: subscriptions + queueSubscriptions,
        num_queue_subs: queueSubscriptions,
      }),
    }))
}

function connectionOf(link: GatewayLinkFacts) {
  return {
    ...link,
    kind: 'Gateway',
    type: '',
    stalls: 0,
    name: link.remoteId,
    lang: '',
    version: '',
    user: '',
    account: '',
  } as const
}
