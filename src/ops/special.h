/* Special functions of doubles that libm lacks (special.c), for the ops of one operand there and of several in
 * special_many.c. */
#ifndef BT_SPECIAL_H
#define BT_SPECIAL_H

double bt_digamma(double x);
/* sum over k >= 0 of (q + k)^-x */
double bt_zeta(double x, double q);

#endif
