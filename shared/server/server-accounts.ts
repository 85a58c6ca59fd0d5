import {
  type Accounts,
  type CalloutPort,
  type ClaimsExchange,
  createAccounts,
  type HttpGet,
  importLeave,
} from '../account/index.ts'
import type { CoreConfig, ResolverConfig } from '../config/index.ts'
import type { ActivatedUntil } from '../imports/index.ts'
import type { ServerIdentity } from '../link/index.ts'
import type { Log } from '../log/index.ts'
import { BcryptThread, messageOf } from '../runtime/index.ts'
import { fetchText, TlsSettings } from '../transport/index.ts'
import { encodeHeaders, SERVER_VERSION } from '../wire/index.ts'
import { clusterNameOf } from './broker-settings.ts'
import type { Machine } from './core.ts'
import { ACCOUNT_JWT_BYTES_MAX } from './limits.ts'
import type { ServerCore } from './server-core.ts'

export interface ServerAccountsParts {
  readonly config: CoreConfig
  readonly machine: Machine
  readonly log: Log
  readonly identity: ServerIdentity
  readonly serverName: string
  /** Accounts come before the server; who asks one for anything does so when it runs. */
  readonly core: () => ServerCore | undefined
}

/** Accounts and users, and the ways in which they ask others. Rejects as `createAccounts`. */
export function openServerAccounts(parts: ServerAccountsParts): Promise<Accounts> {
  const { config, machine, log, identity, serverName } = parts
  const { clock, disk } = machine
  return createAccounts(config, {
    clock,
    disk,
    passwords: new BcryptThread(clock),
    log: log.child({ part: 'accounts' }),
    http: httpGet(machine, config.operator?.resolver),
    exchange: claimsExchange(parts),
    callout: {
      port: calloutPort(parts),
      server: {
        id: identity.id,
        sign: (bytes) => identity.sign(bytes),
        name: serverName,
        host: config.host,
        version: SERVER_VERSION,
        cluster: clusterNameOf(config),
        tags: config.server_tags,
      },
    },
    version: SERVER_VERSION,
  })
}

/** Until when an import's activation token lets the account in. */
export function activationOf(
  { book }: Accounts,
  { clock }: Pick<Machine, 'clock'>,
): ActivatedUntil {
  return (importer, wanted, offered) => {
    const [from, to] = [book.get(importer), book.get(wanted.account)]
    if (from === undefined || to === undefined) return 0
    const leave = importLeave(from, wanted, to, offered, clock.wallMs())
    return leave.isGiven ? (leave.expiresMs ?? Number.POSITIVE_INFINITY) : 0
  }
}

function httpGet({ clock }: Machine, resolver: ResolverConfig | undefined): HttpGet {
  const config = resolver?.type === 'url' ? resolver.tls : undefined
  const tls = config && new TlsSettings(config, 'client', 'resolver_tls')
  return {
    get: (url, timeoutMs) =>
      fetchText(url, { clock, timeoutMs, bytesMax: ACCOUNT_JWT_BYTES_MAX, tls }),
  }
}

function calloutPort({ core }: ServerAccountsParts): CalloutPort {
  return {
    async request(account, subject, headers, payload, timeoutMs) {
      const server = core()
      if (server === undefined) throw new Error('this server has not started yet')
      const block = Object.keys(headers).length === 0 ? undefined : encodeHeaders(headers)
      const answer = await server.asking(account).request(subject, payload, {
        deadlineMs: timeoutMs,
        ...(block === undefined ? {} : { headers: block }),
      })
      return answer.payload
    },
  }
}

/** Other servers are asked over the system account; that nobody answers is an answer too. */
function claimsExchange({ core, config, log }: ServerAccountsParts): ClaimsExchange {
  return {
    async lookup(id, timeoutMs) {
      const server = core()
      if (server === undefined || config.system_account === '') return undefined
      const subject = `$SYS.REQ.ACCOUNT.${id}.CLAIMS.LOOKUP`
      try {
        const client = server.asking(config.system_account)
        const answer = await client.request(subject, NOTHING, { deadlineMs: timeoutMs })
        return Buffer.from(answer.payload).toString()
      } catch (error) {
        log.debug({ account: id, reason: messageOf(error) }, 'no other server knows the account')
        return undefined
      }
    },
  }
}

const NOTHING = new Uint8Array(0)
