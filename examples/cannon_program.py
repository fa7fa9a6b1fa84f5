"""A simulation that is a program of its own: reads "ANGLE SPEED" and prints how far from 60 m the shot comes down."""

from math import cos, hypot, sin

angle, speed = map(float, input().split())
x, y, vx, vy = 0.0, 0.0, speed * cos(angle), speed * sin(angle)
while y >= 0:
    drag = 0.01 * hypot(vx, vy)
    vx, vy = vx - 0.01 * drag * vx, vy - 0.01 * (9.81 + drag * vy)
    x, y = x + 0.01 * vx, y + 0.01 * vy
    if x > 1000:
        break
print(abs(x - 60) + 0.1 * abs(speed))
