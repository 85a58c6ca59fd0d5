/** What a stream gets from other streams, and how subjects change on the way, as on the wire. */
import type { Decoded } from '../json-fields.ts'
import { formatTime } from '../timestamp.ts'

/** Messages under `src` get the subject that `dest` makes of it; '' is every subject. */
export interface SubjectTransform {
  readonly src: string
  readonly dest: string
}

/** Another account or domain: where its API is, and where it may deliver to here. */
export interface ExternalStream {
  readonly api: string
  readonly deliver: string
}

/** A durable consumer that somebody made for the sourcing stream. */
export interface StreamConsumerSource {
  readonly name?: string
  readonly deliver_subject?: string
}

/** A mirror's origin, or one of several sources. */
export interface StreamSource {
  readonly name: string
  readonly opt_start_seq?: number
  /** RFC 3339. */
  readonly opt_start_time?: string
  readonly filter_subject?: string
  readonly subject_transforms?: readonly SubjectTransform[]
  readonly external?: ExternalStream
  readonly consumer?: StreamConsumerSource
}

const TRANSFORM_FIELDS = { src: 'string', dest: 'string' } as const
const EXTERNAL_FIELDS = { api: 'string', deliver: 'string' } as const
const CONSUMER_FIELDS = { name: 'string', deliver_subject: 'string' } as const

export const TRANSFORM_FIELD = { object: TRANSFORM_FIELDS, type: 'SubjectTransformConfig' } as const

const SOURCE_FIELDS = {
  name: 'string',
  opt_start_seq: 'uint',
  opt_start_time: 'time',
  filter_subject: 'string',
  subject_transforms: { ...TRANSFORM_FIELD, isList: true },
  external: { object: EXTERNAL_FIELDS, type: 'ExternalStream' },
  consumer: { object: CONSUMER_FIELDS, type: 'StreamConsumerSource' },
} as const

export const SOURCE_FIELD = { object: SOURCE_FIELDS, type: 'StreamSource' } as const

/** Go's omitempty: what is zero or empty is left out. */
export function streamSource(given: Decoded<typeof SOURCE_FIELDS>): StreamSource {
  const { opt_start_seq, opt_start_time, filter_subject, subject_transforms = [] } = given
  const { external, consumer } = given
  return {
    name: given.name ?? '',
    ...(opt_start_seq ? { opt_start_seq } : {}),
    ...(opt_start_time === undefined ? {} : { opt_start_time: formatTime(opt_start_time) }),
    ...(filter_subject ? { filter_subject } : {}),
    ...(subject_transforms.length > 0
      ? { subject_transforms: subject_transforms.map(({ src = '', dest = '' }) => ({ src, dest })) }
      : {}),
    ...(external && { external: { api: external.api ?? '', deliver: external.deliver ?? '' } }),
    ...(consumer && {
      consumer: {
        ...(consumer.name ? { name: consumer.name } : {}),
        ...(consumer.deliver_subject ? { deliver_subject: consumer.deliver_subject } : {}),
      },
    }),
  }
}
