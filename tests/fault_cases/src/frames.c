/* Frames of 40 KB of which only the lowest bytes are touched, one inside the other, so deep that no stack has room for them. */
int frames_of_40_kb(int levels) {
    volatile char frame[40 * 1024];
    frame[0] = (char)levels;
    int below = levels > 0 ? frames_of_40_kb(levels - 1) : 0;
    return below + frame[0];
}
