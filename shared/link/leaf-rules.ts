import type { PermissionsConfig } from '../config/index.ts'
import type { SubjectRules } from './link-hello.ts'

/** A user's permissions speak of what the user does; for the hub the two directions change places. */
export function rulesOfLeaf(
  config: PermissionsConfig | undefined,
  deniedByLeaf: readonly string[],
): { readonly send: SubjectRules; readonly receive: SubjectRules | undefined } {
  const { allow, deny = [] } = config?.subscribe ?? {}
  const send = {
    // An empty list of subscriptions allows all, as nats-server reads it.
    allow: allow === undefined || allow.length === 0 ? undefined : allow.map(subjectOf),
    deny: [...deny.filter((entry) => !entry.trim().includes(' ')), ...deniedByLeaf],
  }
  if (config === undefined) return { send, receive: undefined }
  const { publish, allow_responses } = config
  const onlyResponses = allow_responses !== undefined && publish.allow === undefined
  return {
    send,
    receive: { allow: onlyResponses ? [] : publish.allow, deny: publish.deny.map(subjectOf) },
  }
}

/** An entry may name a queue group behind its subject. */
function subjectOf(entry: string): string {
  return entry.trim().split(/\s+/, 1)[0] ?? ''
}
