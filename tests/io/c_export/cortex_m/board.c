/* A program for a Cortex-M4 without a library: runs a network over INPUTS and reports through the debugger.
 *
 * NETWORK_STEP and its like are defined by the test. The report is one line of text: the instructions that all steps
 * took, and the bits of each output as hexadecimal digits. Instructions are counted by the timer SysTick: QEMU has no
 * model of cycles, and with -icount shift=5 each instruction takes 32 ns of its time, in which the timer, at 25 MHz,
 * counts 0.8.
 */
#include HEADER

#include <stdint.h>

#include "inputs.h"

typedef void (*handler)(void);
extern void stack_top(void); /* an address from the linker */
void reset(void);
static void stop(void) { for (;;) { } }

__attribute__((section(".vectors"), used)) static const handler vectors[16] = {stack_top, reset, stop, stop,
                                                                               stop,      stop,  stop};

static void semihosting(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print_hex(uint32_t value)
{
    char text[10];
    int i;
    for (i = 0; i < 8; ++i) text[i] = "0123456789abcdef"[(value >> (28 - 4 * i)) & 15];
    text[8] = ' ';
    text[9] = 0;
    semihosting(4, text);
}

static float outputs[STEPS][OUTPUT_SIZE];
static STATE state;

void reset(void)
{
    volatile uint32_t *const systick = (volatile uint32_t *)0xe000e010; /* control, reload, value */
    uint32_t ticks;
    int t, i;
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* the floating-point unit */
    __asm__ volatile("dsb\n\tisb");
    INIT(&state);
    systick[1] = 0xffffff;
    systick[2] = 0;
    systick[0] = 5;
    ticks = systick[2];
    for (t = 0; t < STEPS; ++t) STEP(&state, inputs[t], outputs[t]);
    ticks = (ticks - systick[2]) & 0xffffff;
    print_hex(ticks + ticks / 4);
    for (t = 0; t < STEPS; ++t) {
        for (i = 0; i < OUTPUT_SIZE; ++i) {
            union { float value; uint32_t bits; } u;
            u.value = outputs[t][i];
            print_hex(u.bits);
        }
    }
    semihosting(0x18, (const void *)0x20026); /* the end of the program */
    stop();
}
