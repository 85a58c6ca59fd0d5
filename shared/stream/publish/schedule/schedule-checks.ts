/** Whether a message may be a schedule, or say that it comes from one, in nats-server's order. */
import { isLiteral, isValidSubject, overlaps } from '../../../subject/index.ts'
import type { StreamConfig } from '../../config/stream-config.ts'
import { JetStreamError } from '../../jetstream-error.ts'
import { parseMessageTtl } from '../message-ttl.ts'
import type { PublishHeaders, ScheduleHeaders } from '../publish-headers.ts'
import { nextTime } from './pattern.ts'
import { TimeZone } from './time-zone.ts'

/**
 * When the schedule is due first; undefined when the message is none. Throws 10166, 10188 to 10192,
 * 10203 or 10223.
 */
export function checkSchedule(
  config: StreamConfig,
  subject: string,
  { schedule, rollup }: PublishHeaders,
  nowMs: number,
): number | undefined {
  if (schedule === undefined) return undefined
  const dueMs = firstTime(config, schedule, nowMs)
  if (dueMs === undefined) return undefined
  if (config.allow_msg_schedules !== true) throw new JetStreamError(10188)
  const { target, source, ttl } = schedule
  if (ttl !== '' && parseMessageTtl(ttl) === undefined) throw new JetStreamError(10191)
  if (schedule.rollup !== '' && schedule.rollup !== 'sub') throw new JetStreamError(10192)
  if (ttl !== '' && !config.allow_msg_ttl) throw new JetStreamError(10166)
  const isOwn = (text: string): boolean => config.subjects.some((own) => overlaps(own, text))
  if (!isPublishable(target) || target === subject) throw new JetStreamError(10190)
  const isSourceRight = source !== target && source !== subject && isPublishable(source)
  if (source !== '' && !isSourceRight) throw new JetStreamError(10203)
  if (!isOwn(target)) throw new JetStreamError(10190)
  if (source !== '' && !isOwn(source)) throw new JetStreamError(10203)
  if (rollup !== undefined && rollup !== 'sub') throw new JetStreamError(10192)
  return dueMs
}

/** @param isScheduleOn whether the last message of a subject, if there is one, is a schedule. Throws 10188 or 10212. */
export function checkScheduler(
  config: StreamConfig,
  subject: string,
  { scheduler, scheduleNext }: PublishHeaders,
  isScheduleOn: (subject: string) => boolean,
): void {
  if (scheduleNext === undefined) {
    if (scheduler !== undefined) throw new JetStreamError(10212)
    return
  }
  // Anything else is for the stream itself to say.
  if (scheduleNext !== 'purge') throw new JetStreamError(10212)
  if (scheduler === undefined || scheduler === subject || !isPublishable(scheduler)) {
    throw new JetStreamError(10212)
  }
  if (config.allow_msg_schedules !== true) throw new JetStreamError(10188)
  if (!isScheduleOn(scheduler)) throw new JetStreamError(10212)
}

function firstTime(
  config: StreamConfig,
  { pattern, timeZone }: ScheduleHeaders,
  nowMs: number,
): number | undefined {
  const zone = timeZone === undefined ? undefined : TimeZone.named(timeZone)
  const refusal = (errCode: number): JetStreamError =>
    new JetStreamError(config.allow_msg_schedules === true ? errCode : 10188)
  if (timeZone !== undefined && zone === undefined) throw refusal(10223)
  if (pattern === '') return undefined
  const next = nextTime(pattern, zone, nowMs, nowMs)
  if (next === undefined) throw refusal(10189)
  return next.ms
}

function isPublishable(subject: string): boolean {
  return isValidSubject(subject) && isLiteral(subject)
}
