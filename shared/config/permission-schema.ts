/** `permissions`, in the old form (subjects alone) and the new one (`allow` and `deny`). */
import * as v from 'valibot'
import { block } from './block.ts'
import { subjectFault } from './subject-rule.ts'
import { durationOrNever, flag, type Reading, reading, shown } from './values.ts'

/** Subjects with wildcards; with `allowQueue` each may be followed by a queue group. */
function permissionSubjects(allowQueue: boolean, isEmptyFine: boolean) {
  return reading<readonly string[]>((input) => {
    const list = typeof input === 'string' ? [input] : input
    if (!Array.isArray(list)) {
      return { fault: `must be a subject or a list of subjects, not ${shown(input)}` }
    }
    if (list.length === 0 && !isEmptyFine) {
      const fault =
        'may not be empty: leave it out to allow everything, or deny ">" to allow nothing'
      return { fault }
    }
    const faults = list.map((subject) => entryFault(subject, allowQueue))
    const found = faults.filter((fault) => fault !== undefined)
    return found.length === 0 ? { value: list } : { fault: found.join('; ') }
  })
}

/** `subject` or `subject queue`. */
function entryFault(entry: unknown, allowQueue: boolean): string | undefined {
  if (typeof entry !== 'string' || !allowQueue) return subjectFault(entry)
  const [subject, queue, ...more] = entry.split(/\s+/).filter((part) => part !== '')
  if (queue === undefined) return subjectFault(entry)
  if (more.length > 0) return `"${entry}" is more than a subject and a queue group`
  return subjectFault(subject) ?? (subjectFault(queue) && `"${queue}" is no queue group`)
}

function subjectPermission(allowQueue: boolean) {
  return block(
    {
      allow: v.optional(permissionSubjects(allowQueue, false)),
      deny: v.optional(permissionSubjects(allowQueue, true), []),
    },
    { shorthand: 'allow', isShortForList: true },
  )
}

/** Subjects that a link may not carry. */
export function deniedSubjects() {
  return permissionSubjects(false, true)
}

const RESPONSES_MAX = 1

/** `true`, or how often and how long; -1 for no limit. */
const responses = block(
  {
    enabled: v.optional(flag(), true),
    max: v.optional(wholeNumber(), RESPONSES_MAX),
    expires: v.optional(durationOrNever(), '2m'),
  },
  {
    aliases: {
      max_msgs: 'max',
      max_messages: 'max',
      max_responses: 'max',
      expiration: 'expires',
      ttl: 'expires',
    },
    shorthand: 'enabled',
  },
)

export const permissions = block(
  {
    publish: v.optional(subjectPermission(false)),
    subscribe: v.optional(subjectPermission(true)),
    allow_responses: v.optional(responses),
  },
  {
    aliases: {
      pub: 'publish',
      import: 'publish',
      sub: 'subscribe',
      export: 'subscribe',
      publish_allow_responses: 'allow_responses',
    },
  },
)

export type PermissionsFile = v.InferOutput<typeof permissions>

/** 0 stands for the default, as in nats-server. */
function wholeNumber() {
  return reading<number>((input): Reading<number> => {
    if (typeof input !== 'number' || !Number.isInteger(input)) {
      return { fault: `must be a whole number, -1 for no limit, not ${shown(input)}` }
    }
    return { value: input === 0 ? RESPONSES_MAX : Math.max(input, -1) }
  })
}
