import type { Subscription } from '../broker/index.ts'
import { isLiteral, isValidSubject, subsetOf } from '../subject/index.ts'

/**
 * How many clients and leaves a message would reach: of `subject`, or `subject queue` for the members
 * of one group. A wildcard counts the subscriptions that lie within it.
 */
export function countSubscribers(subscriptions: Iterable<Subscription>, asked: string): number {
  const [subject = '', queue] = asked.split(/\s+/)
  if (!isValidSubject(subject)) return 0
  const reaches = isLiteral(subject)
    ? (own: string): boolean => subsetOf(subject, own)
    : (own: string): boolean => subsetOf(own, subject)
  let count = 0
  for (const { peer, subject: own, queue: group } of subscriptions) {
    if (peer.kind !== 'client' && peer.kind !== 'mqtt' && peer.kind !== 'leaf') continue
    if ((queue === undefined || queue === group) && reaches(own)) count++
  }
  return count
}
