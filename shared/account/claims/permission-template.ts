import { isValidSubject } from '../../subject/index.ts'
import { invalid } from './fields.ts'
import { TEMPLATE_SUBJECTS_MAX } from './limits.ts'
import type { PermissionClaims } from './user-terms.ts'

/** What the templates of a scoped signing key may speak of. */
export interface TemplateFacts {
  readonly name: string
  readonly subject: string
  readonly accountName: string
  readonly accountSubject: string
  /** `key:value`, in lower case. */
  readonly tags: readonly string[]
  readonly accountTags: readonly string[]
}

const TEMPLATE = /\{{2}([^}]+)\}{2}/g
const TAG = /^(account-tag|tag)\((.*)\)$/i

/**
 * Permissions of a scoped signing key with its templates filled in, as nats-server does it
 * (server/auth.go, `processUserPermissionsTemplate`): a tag with several values makes as many subjects.
 * An allowed subject that cannot be made is left out, and when none is left everything is denied;
 * one that should be denied and cannot be made is an error, since nothing must slip through.
 *
 * Throws PETIOLE_TOKEN_INVALID.
 */
export function fillTemplates(claims: PermissionClaims, facts: TemplateFacts): PermissionClaims {
  const allow = (list: readonly string[]): string[] => fillList(list, facts, false)
  const deny = (list: readonly string[], allowed: readonly string[], left: readonly string[]) => {
    const filled = fillList(list, facts, true)
    return allowed.length > 0 && left.length === 0 ? [...filled, '>'] : filled
  }
  const subscribeAllow = allow(claims.subscribeAllow)
  const publishAllow = allow(claims.publishAllow)
  return {
    subscribeAllow,
    subscribeDeny: deny(claims.subscribeDeny, claims.subscribeAllow, subscribeAllow),
    publishAllow,
    publishDeny: deny(claims.publishDeny, claims.publishAllow, publishAllow),
    responses: claims.responses,
  }
}

function fillList(list: readonly string[], facts: TemplateFacts, mustBeValid: boolean): string[] {
  if (!list.some((line) => line.match(TEMPLATE) !== null)) return [...list]
  const filled: string[] = []
  for (const line of list) {
    for (const subject of fillLine(line, facts, mustBeValid, filled.length)) {
      if (isLine(subject, line)) filled.push(subject)
      else if (mustBeValid) throw invalid('generated invalid subject')
    }
  }
  return filled
}

/** A value with a blank must not make a subject and a queue out of a subject. */
function isLine(filled: string, line: string): boolean {
  const words = filled.split(' ')
  const expected = line.replace(TEMPLATE, 'x').split(' ')
  return words.length === expected.length && words.every(isValidSubject)
}

/** All ways to fill the templates of one line. */
function fillLine(
  line: string,
  facts: TemplateFacts,
  mustBeValid: boolean,
  before: number,
): string[] {
  let lines = [line]
  for (const [template, operation = ''] of line.matchAll(TEMPLATE)) {
    const values = valuesOf(operation.trim(), line, facts)
    if (values.length === 0 && mustBeValid) {
      throw invalid(`generated invalid subject "${line}": "${operation.trim()}" is not defined`)
    }
    if (before + lines.length * values.length > TEMPLATE_SUBJECTS_MAX) {
      throw invalid(`template expansion exceeds limit: ${TEMPLATE_SUBJECTS_MAX}`)
    }
    // The same template twice in a line stands for the same value, so all of it is filled at once.
    if (!lines.some((each) => each.includes(template))) continue
    lines = lines.flatMap((each) => values.map((value) => each.replaceAll(template, () => value)))
  }
  return lines
}

function valuesOf(operation: string, line: string, facts: TemplateFacts): readonly string[] {
  switch (operation.toLowerCase()) {
    case 'name()':
      return [facts.name]
    case 'subject()':
      return [facts.subject]
    case 'account-name()':
      return [facts.accountName]
    case 'account-subject()':
      return [facts.accountSubject]
  }
  const match = TAG.exec(operation)
  if (match === null)
    throw invalid(`template operation in "${line}": "${operation}" is not defined`)
  const [, kind = '', key = ''] = match
  const prefix = `${key.toLowerCase()}:`
  const tags = kind.toLowerCase() === 'tag' ? facts.tags : facts.accountTags
  return tags.filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length))
}
