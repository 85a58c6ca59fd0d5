import type { ExportConfig, ImportConfig } from '../config/index.ts'
import { messageOf } from '../runtime/index.ts'
import type { Account } from './account-book.ts'
import {
  type ActivationClaims,
  activationProblems,
  decodeActivation,
  isActivationTimely,
  isRevoked,
} from './claims/index.ts'

/** Whether an account may import, and until when. */
export type ImportLeave =
  | { readonly isGiven: true; readonly expiresMs: number | undefined }
  | { readonly isGiven: false; readonly reason: string }

const GIVEN: ImportLeave = { isGiven: true, expiresMs: undefined }

/**
 * Whether what `exporter` exports may be imported by `importer`: by its being public, by the list of the
 * file, by the importer's name in the subject, or by an activation token. Source: nats-server's
 * server/accounts.go, `checkAuth`.
 */
export function importLeave(
  importer: Account,
  wanted: ImportConfig,
  exporter: Account,
  offered: ExportConfig,
  nowMs: number,
): ImportLeave {
  const { account_token_position: position, accounts, token_required } = offered
  if (position > 0) {
    return wanted.subject.split('.')[position - 1] === importer.name
      ? GIVEN
      : refused(`token ${position} of ${wanted.subject} is not the importing account`)
  }
  if (token_required) return leaveOfToken(importer, wanted, exporter, offered, nowMs)
  if (accounts === undefined || accounts.includes(importer.name)) return GIVEN
  return refused(`${exporter.name} does not export it to ${importer.name}`)
}

function leaveOfToken(
  importer: Account,
  wanted: ImportConfig,
  exporter: Account,
  offered: ExportConfig,
  nowMs: number,
): ImportLeave {
  let token: ActivationClaims
  try {
    token = decodeActivation(wanted.token)
  } catch (error) {
    return refused(`the activation token is not valid: ${messageOf(error)}`)
  }
  const { kind, subject } = wanted
  const claim = { kind, subject, account: exporter.name, importer: importer.name }
  const [problem] = activationProblems(token, claim)
  if (problem !== undefined) return refused(problem)
  const isSigner = token.issuerAccount === '' || exporter.signers?.has(token.issuer) === true
  if (!isSigner) return refused('the activation token is signed by an unknown key')
  if (!isActivationTimely(token, nowMs)) return refused('the activation token has expired')
  const revocations = exporter.claims?.exports.find(
    (each) => each.kind === offered.kind && each.subject === offered.subject,
  )?.revocations
  if (revocations !== undefined && isRevoked(revocations, token.subject, token.issuedAt)) {
    return refused('the activation token is revoked')
  }
  return { isGiven: true, expiresMs: token.expires === 0 ? undefined : token.expires * 1_000 }
}

function refused(reason: string): ImportLeave {
  return { isGiven: false, reason }
}
