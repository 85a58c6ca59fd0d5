import type { RetainedMessage, RetainedReplay, RetainedStore } from '../retained/index.ts'
import type { SysTopics } from './sys-topics.ts'

/** What new subscriptions of an account get at once. */
export type ReplaySource = Pick<RetainedStore, 'replay'>

/**
 * What `$SYS` topics are at a subscription: retained messages, with all that MQTT 5 lets a client ask of those.
 * They come before what is retained, of which hardly anything can match too: devices cannot publish there.
 * @param retained asked each time, since a purge makes another one; undefined: nothing is kept
 */
export function sysRetained(
  topics: SysTopics,
  account: string,
  retained: () => ReplaySource | undefined,
): ReplaySource {
  return {
    replay(filters, skipsDollar, from) {
      const kept = retained()?.replay(filters, skipsDollar, from)
      if (skipsDollar || !topics.concerns(filters)) return kept ?? NOTHING
      let values: readonly RetainedMessage[] | undefined
      return {
        async next(max) {
          values ??= await topics.replay(account, filters)
          const page = values.slice(0, max)
          values = values.slice(page.length)
          return page.length > 0 ? page : ((await kept?.next(max)) ?? [])
        },
        // Figures have no place among what is retained, and the next ones come by themselves.
        isNewest: (seq, subject) => seq === 0 || kept?.isNewest(seq, subject) === true,
        get position() {
          return kept?.position
        },
      }
    },
  }
}

const NOTHING: RetainedReplay = { next: () => Promise.resolve([]), isNewest: () => false }
