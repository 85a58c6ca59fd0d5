/** `$JS.API.INFO`: what the account has and may have. */
import { isInTier, reservedBytes, type TierLimits, tierNameOf } from '../account-limits.ts'
import type { Stream } from '../stream.ts'
import type { ApiContext, ApiRoute } from './api-context.ts'

export const ACCOUNT_ROUTES: Readonly<Record<string, ApiRoute>> = {
  INFO: { type: 'account_info', args: 0, handle: accountInfo },
}

/** What is answered for limits when each tier has its own. */
const NO_LIMITS: TierLimits = {
  max_memory: 0,
  max_storage: 0,
  max_streams: 0,
  max_consumers: 0,
  max_ack_pending: 0,
  memory_max_stream_bytes: 0,
  storage_max_stream_bytes: 0,
  max_bytes_required: false,
}

function accountInfo(context: ApiContext): Record<string, unknown> {
  const { limits, level, counts, domain } = context
  const streams = context.streams()
  const whole = limits.tiers.get('')
  return {
    ...usage(streams, ''),
    limits: whole ?? NO_LIMITS,
    ...(domain === '' ? {} : { domain }),
    api: {
      ...(level.hasMetadata ? { level: level.level } : {}),
      total: counts.total,
      errors: counts.errors,
      ...(counts.inflight > 1 ? { inflight: counts.inflight - 1 } : {}),
    },
    ...(whole === undefined ? { tiers: tiersOf(context, streams) } : {}),
  }
}

function tiersOf({ limits }: ApiContext, streams: readonly Stream[]): Record<string, unknown> {
  const names = new Set(limits.tiers.keys())
  for (const { config } of streams) names.add(tierNameOf(config.num_replicas))
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      { ...usage(streams, name), limits: limits.tiers.get(name) ?? NO_LIMITS },
    ]),
  )
}

function usage(all: readonly Stream[], tier: string): Record<string, number> {
  const streams = all.filter(({ config }) => isInTier(config, tier))
  const configs = streams.map(({ config }) => config)
  const bytesIn = (storage: 'file' | 'memory'): number =>
    streams
      .filter(({ config }) => config.storage === storage)
      .reduce((sum, { store }) => sum + store.state.bytes, 0)
  return {
    memory: bytesIn('memory'),
    storage: bytesIn('file'),
    reserved_memory: reservedBytes(configs, 'memory', tier),
    reserved_storage: reservedBytes(configs, 'file', tier),
    streams: streams.length,
    consumers: streams.reduce((sum, { consumers }) => sum + consumers.size, 0),
  }
}
