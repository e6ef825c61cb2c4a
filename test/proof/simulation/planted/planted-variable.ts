/** Environment variable that tells threads which defect to plant. */
export const PLANTED_VARIABLE = 'KVFERRY_TEST_PLANTED';
