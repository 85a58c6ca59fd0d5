import { isUtf8 } from 'node:buffer'
import { CONNACK, type ConnectPacket, LEVEL, PLACE, REASON } from '../codec/index.ts'
import { headersOfPublish } from '../headers/index.ts'
import type { MqttLimits } from '../limits.ts'
import type { Refusal } from './admission.ts'

const UTF8 = 1

/** Why a client is not let in with the will that it brings; undefined: there is nothing against it. */
export function willRefusal(
  { level, will }: ConnectPacket,
  { publishQosMax, retainedMax }: MqttLimits,
): Refusal | undefined {
  if (will === undefined || level !== LEVEL.v5) return undefined
  if (will.qos > publishQosMax) {
    return refusal(REASON.qosNotSupported, 'will QoS is above the maximum')
  }
  if (will.isRetain && retainedMax === 0) {
    return refusal(REASON.retainNotSupported, 'will is retained, and nothing is')
  }
  const { qos, section } = will
  if ('rule' in headersOfPublish(qos, section, 0, section.length, PLACE.will)) {
    return refusal(REASON.quotaExceeded, 'will has too many properties')
  }
  if (will.properties.payloadFormat === UTF8 && !isUtf8(will.payload)) {
    return refusal(
      REASON.payloadFormatInvalid,
      'will payload is not the UTF-8 that it is said to be',
    )
  }
  return undefined
}

function refusal(reason: number, text: string): Refusal {
  return { returnCode: CONNACK.notAuthorized, reason, text }
}
