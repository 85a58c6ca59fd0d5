/**
 * From a request to a consumer's whole configuration: first all defaults, then all checks, in the
 * order of nats-server 2.15 (checkConsumerCfg), because of two mistakes the first is told.
 */
import { isLiteral, isValidSubject, SubjectPatterns } from '../../subject/index.ts'
import { goQuote } from '../go-json.ts'
import { JetStreamError } from '../jetstream-error.ts'
import {
  DESCRIPTION_BYTES_MAX,
  EPHEMERAL_INACTIVE_NS,
  FLOW_CONTROL_HEARTBEAT_NS,
  HEARTBEAT_MIN_NS,
  METADATA_BYTES_MAX,
  NAME_BYTES_MAX,
  NS_PER_MS,
  WAITING_PULLS_MAX,
} from '../limits.ts'
import { durationText } from '../timestamp.ts'
import { isAssetName, isLongDescription, isLongMetadata } from './asset-text.ts'
import { type ConsumerConfig, type ConsumerRequest, filtersOf } from './consumer-config.ts'
import { withDefaults } from './consumer-defaults.ts'
import { type ConsumerRules, NO_CONSUMER_RULES } from './rules.ts'
import type { StreamConfig } from './stream-config.ts'
import { deliversToItself, refuseDetours } from './subject-checks.ts'

/**
 * @param name the consumer's, whichever way it was given or made
 * @throws the row of the error table
 */
export function consumerConfig(
  request: ConsumerRequest,
  name: string,
  stream: StreamConfig,
  rules: ConsumerRules = NO_CONSUMER_RULES,
  isPedantic = false,
): ConsumerConfig {
  const config = withDefaults(request, name, stream, rules, isPedantic)
  checkNames(config, request)
  checkReplicas(config, stream)
  checkAcks(config)
  if (isLongDescription(config.description)) {
    throw new JetStreamError(10107, `${DESCRIPTION_BYTES_MAX}`)
  }
  if (config.deliver_subject === undefined) checkPull(config, stream, rules)
  else checkPush(config, config.deliver_subject, stream)
  checkLimits(config, stream, rules)
  checkFilters(config, request)
  checkStart(config)
  checkRest(config, request)
  checkPriority(config, request)
  return config
}

/**
 * What a consumer that is not durable has when it does not say when it goes.
 * @param old the configuration that is updated: nats-server goes by what the consumer was
 */
export function withThreshold(config: ConsumerConfig, old?: ConsumerConfig): ConsumerConfig {
  if (config.inactive_threshold !== undefined) return config
  if ((old ?? config).durable_name !== undefined) return config
  if (old !== undefined && old.inactive_threshold === undefined) return config
  return { ...config, inactive_threshold: EPHEMERAL_INACTIVE_NS }
}

function checkNames(config: ConsumerConfig, request: ConsumerRequest): void {
  const problem = "can not contain '.', '*', '>', '\\', '/'"
  if (!isAssetName(config.name)) throw new JetStreamError(10052, `consumer name ${problem}`)
  if (config.durable_name !== undefined && !isAssetName(config.durable_name)) {
    throw new JetStreamError(10052, `consumer durable name ${problem}`)
  }
  if (request.durable_name && request.name && request.durable_name !== request.name) {
    throw new JetStreamError(10132)
  }
  if (Buffer.byteLength(config.name) > NAME_BYTES_MAX) {
    throw new JetStreamError(10102, `${NAME_BYTES_MAX}`)
  }
}

function checkReplicas({ num_replicas: replicas }: ConsumerConfig, stream: StreamConfig): void {
  if (replicas > stream.num_replicas) throw new JetStreamError(10126)
  if (replicas < 0) throw new JetStreamError(10133)
  const mustMatch = stream.retention !== 'limits' && replicas !== 0
  if (mustMatch && replicas !== stream.num_replicas) throw new JetStreamError(10134)
}

function checkAcks(config: ConsumerConfig): void {
  const { backoff = [], ack_wait = 0, max_deliver } = config
  if (backoff.some((delay) => delay < 0)) throw new JetStreamError(10184)
  if (ack_wait < 0) throw new JetStreamError(10183)
  if (config.ack_policy === 'flow_control') {
    if (config.deliver_subject === undefined) throw new JetStreamError(10218)
    if (!config.flow_control) throw new JetStreamError(10219)
    if (config.idle_heartbeat !== FLOW_CONTROL_HEARTBEAT_NS) {
      throw new JetStreamError(10052, 'flow control ack policy heartbeat needs to be 1s')
    }
    if ((config.max_ack_pending ?? 0) <= 0) throw new JetStreamError(10220)
    if (ack_wait !== 0 || backoff.length > 0) throw new JetStreamError(10221)
    if (max_deliver > 0) throw new JetStreamError(10222)
  }
  if (max_deliver !== -1 && backoff.length > max_deliver) throw new JetStreamError(10116)
}

function checkPush(config: ConsumerConfig, deliverSubject: string, stream: StreamConfig): void {
  const tokens = deliverSubject.split('.')
  if (tokens.includes('*') || tokens.includes('>')) throw new JetStreamError(10079)
  if (!isLiteral(deliverSubject)) throw new JetStreamError(10112)
  if (deliversToItself(stream, deliverSubject)) throw new JetStreamError(10081)
  if (config.max_waiting !== undefined) throw new JetStreamError(10080)
  if ((config.max_ack_pending ?? 0) > 0 && config.ack_policy === 'none') {
    throw new JetStreamError(10082)
  }
  const { idle_heartbeat = 0 } = config
  if (idle_heartbeat > 0 && idle_heartbeat < HEARTBEAT_MIN_NS) throw new JetStreamError(10083)
}

function checkPull(config: ConsumerConfig, stream: StreamConfig, rules: ConsumerRules): void {
  if (config.ack_policy === 'none' && stream.retention === 'workqueue') {
    throw new JetStreamError(10084)
  }
  if (config.rate_limit_bps !== undefined) throw new JetStreamError(10086)
  if (config.idle_heartbeat !== undefined) throw new JetStreamError(10088)
  if (config.flow_control) throw new JetStreamError(10089)
  const { max_expires, max_batch = 0, max_waiting = 0 } = config
  if (max_expires !== undefined && max_expires < NS_PER_MS) throw new JetStreamError(10115)
  if (rules.requestBatchMax > 0 && max_batch > rules.requestBatchMax) {
    throw new JetStreamError(10125, `${rules.requestBatchMax}`)
  }
  // Those who wait are kept in memory: nats-server has no bound here, we do.
  if (max_waiting > WAITING_PULLS_MAX) {
    throw new JetStreamError(10012, `max_waiting ${max_waiting} is above ${WAITING_PULLS_MAX}`)
  }
}

function checkLimits(config: ConsumerConfig, stream: StreamConfig, rules: ConsumerRules): void {
  const { max_ack_pending = 0, inactive_threshold = 0 } = config
  const { max_ack_pending: streamAcks = 0, inactive_threshold: streamThreshold = 0 } =
    stream.consumer_limits
  const exceeded = [rules.ackPendingMax, rules.accountAckPendingMax, streamAcks].find(
    (limit) => limit > 0 && max_ack_pending > limit,
  )
  if (exceeded !== undefined) throw new JetStreamError(10121, `${exceeded}`)
  if (streamThreshold > 0 && inactive_threshold > streamThreshold) {
    throw new JetStreamError(10153, durationText(streamThreshold))
  }
  if (!config.direct) return
  if (config.deliver_subject === undefined) throw new JetStreamError(10090)
  if (config.durable_name !== undefined) throw new JetStreamError(10091)
}

function checkFilters(config: ConsumerConfig, request: ConsumerRequest): void {
  const several = request.filter_subjects ?? []
  const single = config.filter_subject
  if (single !== undefined && several.length > 0) throw new JetStreamError(10136)
  if (several.includes('')) throw new JetStreamError(10139)
  const filters = filtersOf(config)
  const patterns = new SubjectPatterns(filters)
  for (const filter of filters) {
    if (!isValidSubject(filter)) throw new JetStreamError(10052, 'invalid subject')
    if (patterns.isCoveredByAnother(filter)) throw new JetStreamError(10138)
    refuseDetours(patterns)
  }
}

function checkStart(config: ConsumerConfig): void {
  const { deliver_policy: policy, opt_start_seq, opt_start_time } = config
  const fail = (problem: string): never => {
    const text = `consumer delivery policy is deliver ${policy.replaceAll('_', ' ')}`
    throw new JetStreamError(10094, `${text}, but optional ${problem}`)
  }
  switch (policy) {
    case 'by_start_sequence':
      if (opt_start_seq === undefined) fail('start sequence is not set')
      if (opt_start_time !== undefined) fail('start time is also set')
      return
    case 'by_start_time':
      if (opt_start_time === undefined) fail('start time is not set')
      if (opt_start_seq !== undefined) fail('start start sequence is also set')
      return
    default:
      if (opt_start_seq !== undefined) fail('start sequence is also set')
      if (opt_start_time !== undefined) fail('start time is also set')
      if (policy === 'last_per_subject' && filtersOf(config).length === 0) {
        fail('filter subject is not set')
      }
  }
}

function checkRest(config: ConsumerConfig, request: ConsumerRequest): void {
  if (config.sample_freq !== undefined) checkSampling(config.sample_freq.replace(/%$/, ''))
  if (config.flow_control && config.idle_heartbeat === undefined) throw new JetStreamError(10108)
  if (isLongMetadata(request.metadata)) {
    throw new JetStreamError(10135, `${METADATA_BYTES_MAX / 1024}KB`)
  }
}

function checkSampling(text: string): void {
  const problem = (cause: string): never => {
    throw new JetStreamError(10095, `strconv.Atoi: parsing ${goQuote(text)}: ${cause}`)
  }
  if (!/^[+-]?\d+$/.test(text)) problem('invalid syntax')
  if (!Number.isSafeInteger(Number(text))) problem('value out of range')
  if (Number(text) < 0) throw new JetStreamError(10095, '<nil>')
}

function checkPriority(config: ConsumerConfig, request: ConsumerRequest): void {
  const groups = request.priority_groups ?? []
  if (config.priority_policy === undefined) {
    if (groups.length > 0) throw new JetStreamError(10196)
    if (config.priority_timeout !== undefined) throw new JetStreamError(10197)
    return
  }
  if (config.deliver_subject !== undefined) throw new JetStreamError(10178)
  if (groups.length === 0) throw new JetStreamError(10159)
  for (const group of groups) {
    if (group === '') throw new JetStreamError(10161)
    if (!/^[a-zA-Z0-9/_=-]{1,16}$/.test(group)) throw new JetStreamError(10162)
  }
}
