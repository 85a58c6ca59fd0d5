/** Subjects and their wildcards: rules, filters, trees, a memory of those seen, transforms and mappings. */
export { BytesCache, isSame } from './bytes-cache.ts'
export { FilterUnion } from './filter-union.ts'
export {
  hasWildcard,
  intersection,
  isLiteral,
  isValidSubject,
  overlaps,
  subsetOf,
} from './subject.ts'
export { SubjectFilter } from './subject-filter.ts'
export { type MappingRule, type SubjectMapping, SubjectMappings } from './subject-mappings.ts'
export { SubjectPatterns } from './subject-patterns.ts'
export { numberWildcards, SubjectTransform } from './subject-transform.ts'
export { SubjectTree } from './subject-tree.ts'
