import type { ClientMessage } from '../client/index.ts'
import {
  accountzFields,
  accstatzFields,
  connzFields,
  gatewayzFields,
  healthzFields,
  jszFields,
  leafzFields,
  type Reports,
  type RequestFields,
  routezFields,
  subszFields,
} from '../monitor/index.ts'
import { PetioleError } from '../runtime/index.ts'
import { type Answers, DONE } from './answers.ts'
import type { ServerAdmin } from './ports.ts'

type Report = (reports: Reports, fields: RequestFields) => object

/** `$SYS.REQ.SERVER.PING.<name>` and `$SYS.REQ.SERVER.<id>.<name>`. STATSZ and IDZ have a form of their own. */
export const SERVER_REPORTS: Readonly<Record<string, Report>> = {
  VARZ: (reports) => reports.varz(),
  SUBSZ: (reports, fields) => reports.subsz(subszFields(fields)),
  CONNZ: (reports, fields) => reports.connz(connzFields(fields)),
  ROUTEZ: (reports, fields) => reports.routez(routezFields(fields)),
  GATEWAYZ: (reports, fields) => reports.gatewayz(gatewayzFields(fields)),
  LEAFZ: (reports, fields) => reports.leafz(leafzFields(fields)),
  ACCOUNTZ: (reports, fields) => reports.accountz(accountzFields(fields)),
  JSZ: (reports, fields) => reports.jsz(jszFields(fields)),
  HEALTHZ: (reports, fields) => health(reports, fields),
  EXPVARZ: (reports) => reports.expvarz(),
  PROFILEZ: () => ({ profile: null, error: 'profiles of a Go program are not to be had here' }),
  IPQUEUESZ: () => ({}),
  // There is no Raft here, hence no group of it.
  RAFTZ: () => ({}),
}

type AccountReport = (
  reports: Reports,
  account: string,
  fields: RequestFields,
) => object | undefined

/** `$SYS.REQ.ACCOUNT.<account>.<name>`. */
export const ACCOUNT_REPORTS: Readonly<Record<string, AccountReport>> = {
  SUBSZ: (reports, account, fields) =>
    reports.subsz({ ...subszFields(fields), account, subs: true }),
  CONNZ: (reports, account, fields) => reports.connz({ ...connzFields(fields), account }),
  LEAFZ: (reports, account, fields) => reports.leafz({ ...leafzFields(fields), account }),
  JSZ: (reports, account, fields) => reports.jszAccount({ ...jszFields(fields), account }),
  INFO: (reports, account) => reports.accountInfo(account),
  STATZ: (reports, account, fields) => accountStats(reports, [account], fields),
}

/** An account's figures; a server where nobody is connected to it has nothing to say. */
export function accountStats(
  reports: Reports,
  accounts: readonly string[] | undefined,
  fields: RequestFields,
): object | undefined {
  const options = accstatzFields(fields)
  const body = reports.accstatz(accounts === undefined ? options : { ...options, accounts })
  return body.account_statz.length === 0 && !options.includesUnused ? undefined : body
}

/** RELOAD, KICK and LDM of one server. */
export function adminRequest(
  name: string,
  admin: ServerAdmin,
): ((answers: Answers, message: ClientMessage) => void) | undefined {
  const actions: Readonly<Record<string, (fields: RequestFields) => object | Promise<object>>> = {
    RELOAD: async () => {
      await admin.reload()
      return DONE
    },
    KICK: (fields) => {
      if (admin.kick(fields.count('cid'))) return DONE
      throw unknownId('no such client or leafnode id')
    },
    LDM: (fields) => {
      const result = admin.lameDuck(fields.count('cid'))
      if (result === 'told') return DONE
      if (result === 'unknown') throw unknownId('no such client id')
      throw unknownId(
        'client does not support Lame Duck Mode or is not ready to receive the notification',
      )
    },
  }
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined
  if (action === undefined) return undefined
  return (answers, message) => answers.answer(message, action)
}

function health(reports: Reports, fields: RequestFields): object {
  const { statusCode, body } = reports.healthz(healthzFields(fields))
  const { status, ...rest } = body
  return { status, status_code: statusCode, ...rest }
}

function unknownId(description: string): PetioleError {
  return new PetioleError('PETIOLE_BAD_QUERY', description)
}
