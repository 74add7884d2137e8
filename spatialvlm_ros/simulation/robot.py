"""The arm and its two-finger gripper: links, joints and actuators as data and as MJCF text.

Six revolute joints (base yaw, shoulder, elbow, forearm roll, wrist pitch, tool roll) of a common collaborative-arm
layout. `base_link` is the arm's foot on the table top: x forward over the table, y left, z up. The tool frame `tool0`
lies between the finger pads, 12 mm above the finger tips: z points out of the gripper, the fingers open along y.
"""

from __future__ import annotations

from dataclasses import dataclass

from spatialvlm_ros.simulation.primitives import Primitive, RobotCapsule, Vec3, covering_capsules, numbers

BASE_FRAME = "base_link"
TOOL_FRAME = "tool0"
HAND_FRAME = "hand"
FINGER_FRAMES = ("finger_left", "finger_right")
FINGER_JOINTS = ("finger_left_joint", "finger_right_joint")
ARM_JOINTS = tuple(f"joint{number}" for number in range(1, 7))
MAX_OPENING_M = 0.10
MAX_FINGER_SPEED_M_S = 0.12
GRIP_FORCE_N = 30.0
TOOL_OFFSET_M = 0.155
# Tool at (0.34, 0, 0.28) m, pointing down, in view of the camera but in front of nothing on the table.
HOME_RAD = (0.0, -0.0927, 2.1098, 0.0, 1.1245, 0.0)
MAX_JOINT_SPEED_RAD_S = (2.2, 2.2, 2.2, 3.0, 3.0, 3.5)

_SHELL = (0.86, 0.87, 0.89, 1.0)
_JOINT = (0.25, 0.27, 0.31, 1.0)
_ACCENT = (0.93, 0.45, 0.13, 1.0)
_DARK = (0.16, 0.17, 0.19, 1.0)
_RUBBER = (0.09, 0.09, 0.10, 1.0)


@dataclass(frozen=True)
class Joint:
    """A joint at its link's origin. Angles in rad (lengths in m for slides); gains in N m/rad and N m s/rad."""

    name: str
    kind: str
    axis: Vec3
    low: float
    high: float
    kp: float = 0.0
    kv: float = 0.0
    force_limit: float = 0.0
    armature: float = 0.1
    damping: float = 1.0


@dataclass(frozen=True)
class Link:
    """A body: its origin in the parent frame, the joint that moves it, its mass, its shapes."""

    name: str
    pos_m: Vec3
    joint: Joint | None
    mass_kg: float
    shapes: tuple[Primitive, ...]
    half_turn_z: bool = False


def _hinge(number: int, axis: Vec3, low: float, high: float) -> Joint:
    kp, kv, limit, armature = (6000.0, 220.0, 200.0, 0.3) if number <= 3 else (1500.0, 40.0, 50.0, 0.05)
    return Joint(f"joint{number}", "hinge", axis, low, high, kp, kv, limit, armature)


def _tube(half_m: float, mid_z_m: float, radius_m: float, rgba: tuple[float, float, float, float]) -> Primitive:
    return Primitive("capsule", (radius_m, half_m), (0.0, 0.0, mid_z_m), (0.0, 0.0, 1.0), rgba, "shell", "robot")


def _knuckle(half_m: float, radius_m: float, rgba: tuple[float, float, float, float]) -> Primitive:
    return Primitive("capsule", (radius_m, half_m), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), rgba, "shell", "robot")


def _band(radius_m: float, z_m: float, half_m: float = 0.006) -> Primitive:
    """A coloured ring on a tube: a little wider than the tube it sits on."""
    return Primitive("cylinder", (radius_m, half_m), (0.0, 0.0, z_m), (0.0, 0.0, 1.0), _ACCENT, "shell", "visual")


def _arm_links() -> list[Link]:
    y_axis, z_axis = (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    return [
        Link("link1", (0.0, 0.0, 0.14), _hinge(1, z_axis, -2.8, 2.8), 2.0, (_tube(0.10, 0.08, 0.058, _SHELL),)),
        Link(
            "link2",
            (0.0, 0.0, 0.16),
            _hinge(2, y_axis, -1.6, 1.9),
            2.5,
            (_knuckle(0.055, 0.066, _JOINT), _tube(0.17, 0.21, 0.050, _SHELL), _band(0.052, 0.12)),
        ),
        Link(
            "link3",
            (0.0, 0.0, 0.42),
            _hinge(3, y_axis, -0.2, 2.75),
            1.5,
            (_knuckle(0.050, 0.058, _JOINT), _tube(0.08, 0.11, 0.044, _SHELL)),
        ),
        Link(
            "link4",
            (0.0, 0.0, 0.21),
            _hinge(4, z_axis, -2.8, 2.8),
            1.0,
            (_tube(0.08, 0.10, 0.039, _SHELL), _band(0.041, 0.02)),
        ),
        Link(
            "link5",
            (0.0, 0.0, 0.21),
            _hinge(5, y_axis, -2.2, 2.6),
            0.6,
            (_knuckle(0.032, 0.042, _JOINT), _tube(0.03, 0.035, 0.034, _JOINT)),
        ),
        Link(
            "link6",
            (0.0, 0.0, 0.08),
            _hinge(6, z_axis, -3.1, 3.1),
            0.3,
            (_tube(0.012, 0.008, 0.036, _SHELL), _band(0.0375, 0.004, 0.004)),
        ),
    ]


def _finger(name: str, side: float) -> Link:
    """A finger whose inner pad face lies at its own y = 0; it slides outward along the hand's y axis."""
    joint = Joint(f"{name}_joint", "slide", (0.0, side, 0.0), 0.0, MAX_OPENING_M / 2, armature=0.05, damping=5.0)
    shapes = (
        Primitive("box", (0.011, 0.006, 0.050), (0.0, side * 0.010, 0.053), rgba=_DARK, geom_class="robot"),
        Primitive("box", (0.011, 0.002, 0.018), (0.0, side * 0.002, 0.085), rgba=_RUBBER, geom_class="pad"),
        Primitive("box", (0.014, 0.011, 0.008), (0.0, side * 0.011, 0.008), rgba=_JOINT, geom_class="visual"),
    )
    return Link(name, (0.0, 0.0, 0.064), joint, 0.12, shapes)


def _hand() -> Link:
    shapes = (
        Primitive("box", (0.020, 0.072, 0.016), (0.0, 0.0, 0.046), rgba=_SHELL, material="shell", geom_class="robot"),
        Primitive("box", (0.023, 0.045, 0.014), (0.0, 0.0, 0.020), rgba=_JOINT, material="shell", geom_class="robot"),
        Primitive("box", (0.0205, 0.0725, 0.003), (0.0, 0.0, 0.040), rgba=_ACCENT, geom_class="visual"),
    )
    # The half turn makes tool0's axes (x forward, y right, z down) when all joints point the hand straight down.
    return Link(HAND_FRAME, (0.0, 0.0, 0.022), None, 0.6, shapes, half_turn_z=True)


BASE_SHAPES = (
    Primitive("cylinder", (0.095, 0.008), (0.0, 0.0, 0.008), rgba=_DARK, material="shell", geom_class="robot"),
    Primitive("capsule", (0.066, 0.05), (0.0, 0.0, 0.066), rgba=_JOINT, material="shell", geom_class="robot"),
)
ARM_LINKS = _arm_links()
HAND_LINK = _hand()
FINGER_LINKS = [_finger(FINGER_FRAMES[0], 1.0), _finger(FINGER_FRAMES[1], -1.0)]
LINK_FRAMES = tuple(link.name for link in [*ARM_LINKS, HAND_LINK, *FINGER_LINKS])


def robot_capsules() -> list[RobotCapsule]:
    """Capsules in link frames that cover every shape of the robot, fingers included (for a self-filter)."""
    capsules = [capsule for shape in BASE_SHAPES for capsule in covering_capsules(BASE_FRAME, shape)]
    for link in [*ARM_LINKS, HAND_LINK, *FINGER_LINKS]:
        for shape in link.shapes:
            if shape.kind == "cylinder":
                # Bands are at most 2 mm wider than the capsule tube they sit on; a thin-disc capsule would bulge far.
                continue
            capsules.extend(covering_capsules(link.name, shape))
    return capsules


def _joint_mjcf(joint: Joint) -> str:
    return (
        f'<joint name="{joint.name}" type="{joint.kind}" axis="{numbers(joint.axis)}" limited="true" '
        f'range="{joint.low:.6g} {joint.high:.6g}" armature="{joint.armature}" damping="{joint.damping}"/>'
    )


def _open_body(link: Link) -> str:
    turn = ' quat="0 0 0 1"' if link.half_turn_z else ""
    text = [f'<body name="{link.name}" pos="{numbers(link.pos_m)}"{turn} gravcomp="1">']
    if link.joint is not None:
        text.append(_joint_mjcf(link.joint))
    # Only the first shape carries mass: total mass matters to the servo, its spread hardly does.
    for index, shape in enumerate(link.shapes):
        text.append(shape.mjcf(f"{link.name}_{index}", link.mass_kg if index == 0 else 0.0))
    return "\n".join(text)


def robot_mjcf() -> tuple[str, str]:
    """MJCF of the robot: (elements for `<worldbody>`, the `<tendon>`, `<equality>` and `<actuator>` sections)."""
    body = [f'<body name="{BASE_FRAME}">']
    body += [shape.mjcf(f"{BASE_FRAME}_{index}") for index, shape in enumerate(BASE_SHAPES)]
    body += [_open_body(link) for link in ARM_LINKS]
    body.append(_open_body(HAND_LINK))
    body.append(f'<site name="{TOOL_FRAME}" pos="0 0 {TOOL_OFFSET_M}" size="0.004" rgba="0 0 0 0"/>')
    body += [_open_body(link) + "</body>" for link in FINGER_LINKS]
    body.append("</body>" * (2 + len(ARM_LINKS)))
    left, right = FINGER_JOINTS
    actuators = []
    for link in ARM_LINKS:
        joint = link.joint
        assert joint is not None
        actuators.append(
            f'<position name="{joint.name}" joint="{joint.name}" kp="{joint.kp}" kv="{joint.kv}" '
            f'forcerange="{-joint.force_limit} {joint.force_limit}" ctrlrange="{joint.low} {joint.high}"/>'
        )
    sections = f"""
    <tendon><fixed name="opening"><joint joint="{left}" coef="1"/><joint joint="{right}" coef="1"/></fixed></tendon>
    <equality><joint joint1="{left}" joint2="{right}" solref="0.004 1" solimp="0.95 0.99 0.001"/></equality>
    <actuator>{"".join(actuators)}
      <position name="gripper" tendon="opening" kp="4000" kv="80" ctrlrange="-0.02 {MAX_OPENING_M}"
        forcerange="{-GRIP_FORCE_N} {GRIP_FORCE_N}"/>
    </actuator>"""
    return "\n".join(body), sections
